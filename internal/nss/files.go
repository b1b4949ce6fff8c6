package nss

import (
	"bufio"
	"bytes"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// The files of accounts and groups. Package os/user would read the first one twice, once for
// the account of this process, and allocate 4 kB each time, which every vassal keeps.
var accountFile, groupFile = "/etc/passwd", "/etc/group"

const (
	lineSize = 2 << 10 // of the buffer for lines, in bytes
	longest  = 64 << 20
)

// Fields of passwd(5) and group(5).
const (
	nameField   = 0
	idField     = 2
	memberField = 3
	userFields  = 7
	groupFields = 4
)

// accountBy returns the first account whose field has a value, or the error missing.
func accountBy(field int, value string, missing error) (u *user.User, err error) {
	err = eachEntry(accountFile, userFields, value, func(f []string) (more bool) {
		if _, err := strconv.Atoi(f[3]); err != nil || f[field] != value {
			return true
		}
		u = userOf(f)
		return false
	})
	if u == nil && err == nil {
		err = missing
	}
	return u, err
}

// groupBy returns the first group whose field has a value, or the error missing.
func groupBy(field int, value string, missing error) (g *user.Group, err error) {
	err = eachEntry(groupFile, groupFields, value, func(f []string) (more bool) {
		if f[field] == value {
			g = groupOf(f)
		}
		return g == nil
	})
	if g == nil && err == nil {
		err = missing
	}
	return g, err
}

// groupsOf returns the numbers of the groups of an account, its own first.
func groupsOf(u *user.User) ([]string, error) {
	ids := []string{u.Gid}
	err := eachEntry(groupFile, groupFields, u.Username, func(f []string) (more bool) {
		if f[idField] != u.Gid && slices.Contains(strings.Split(f[memberField], ","), u.Username) {
			ids = append(ids, f[idField])
		}
		return true
	})
	return ids, err
}

// eachEntry calls each with the fields of every entry that contains a text, until each returns
// false. Like the C library it skips comments, blank space before an entry, entries of NIS,
// and entries with an invalid number.
func eachEntry(path string, fields int, text string, each func(fields []string) (more bool)) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(make([]byte, 0, lineSize), longest)
	for sought := []byte(text); lines.Scan(); {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 || !bytes.Contains(line, sought) || bytes.IndexByte([]byte("#+-:"), line[0]) >= 0 {
			continue
		}
		f := strings.SplitN(string(line), ":", fields)
		if len(f) < fields {
			continue
		}
		if _, err := strconv.Atoi(f[idField]); err == nil && !each(f) {
			return nil
		}
	}
	return lines.Err()
}
