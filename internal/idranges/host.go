package idranges

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// The files that name the ids of this host (passwd(5), group(5), subuid(5), subgid(5)).
var (
	accountFiles = []string{"/etc/passwd", "/etc/group"}
	subFiles     = []string{"/etc/subuid", "/etc/subgid"}
)

// Account is the name to which the ranges of emperors belong in /etc/subuid and /etc/subgid.
const Account = "emperor"

// reserved returns the ids of accounts and groups, and the ranges of other users.
func reserved() (list []Range, err error) {
	for _, file := range accountFiles {
		err := eachLine(file, func(f []string) {
			if id, ok := number(f, 2); ok {
				list = append(list, Range{id, 1})
			}
		})
		if err != nil {
			return nil, err
		}
	}
	for _, file := range subFiles {
		err := eachLine(file, func(f []string) {
			if r, ok := sub(f); ok && f[0] != Account {
				list = append(list, r)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Delegated returns the ranges that /etc/subuid and /etc/subgid give to the accounts with one of these
// names: the first one that both files have.
func Delegated(names ...string) (Range, error) {
	var found [2][]Range
	for i, file := range subFiles {
		err := eachLine(file, func(f []string) {
			for _, name := range names {
				if r, ok := sub(f); ok && f[0] == name {
					found[i] = append(found[i], r)
				}
			}
		})
		if err != nil {
			return Range{}, err
		}
	}
	for _, u := range found[0] {
		for _, g := range found[1] {
			if first, end := max(u.First, g.First), min(u.First+u.Size, g.First+g.Size); first < end {
				return Range{first, end - first}, nil
			}
		}
	}
	return Range{}, fmt.Errorf("/etc/subuid and /etc/subgid have no range for %s (usermod --add-subuids FIRST-LAST "+
		"--add-subgids FIRST-LAST %s)", strconv.Quote(names[0]), names[0])
}

// sub returns the range of a line of subuid(5).
func sub(f []string) (r Range, ok bool) {
	first, ok1 := number(f, 1)
	size, ok2 := number(f, 2)
	return Range{first, size}, ok1 && ok2 && size > 0 && uint64(first)+uint64(size) < 1<<32
}

func number(fields []string, i int) (uint32, bool) {
	if len(fields) <= i {
		return 0, false
	}
	n, err := strconv.ParseUint(fields[i], 10, 32)
	return uint32(n), err == nil
}

// eachLine calls each with the fields of each line. A missing file has none.
func eachLine(file string, each func(fields []string)) error {
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read the ids of this host: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		each(strings.Split(strings.TrimSpace(lines.Text()), ":"))
	}
	return lines.Err()
}
