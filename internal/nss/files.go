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
func accountBy(field int, value string, missing error) (*user.User, error) {
	list, err := entries(accountFile, userFields, value)
	if err != nil {
		return nil, err
	}
	for _, f := range list {
		if _, err := strconv.Atoi(f[3]); err == nil && f[field] == value {
			return userOf(f), nil
		}
	}
	return nil, missing
}

// groupBy returns the first group whose field has a value, or the error missing.
func groupBy(field int, value string, missing error) (*user.Group, error) {
	list, err := entries(groupFile, groupFields, value)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(list, func(f []string) bool { return f[field] == value }); i >= 0 {
		return groupOf(list[i]), nil
	}
	return nil, missing
}

// groupsOf returns the numbers of the groups of an account, its own first.
func groupsOf(u *user.User) ([]string, error) {
	ids := []string{u.Gid}
	list, err := entries(groupFile, groupFields, u.Username)
	for _, f := range list {
		if f[idField] != u.Gid && slices.Contains(strings.Split(f[memberField], ","), u.Username) {
			ids = append(ids, f[idField])
		}
	}
	return ids, err
}

// read returns the fields of every entry that contains a text. Like the C library it skips comments,
// blank space before an entry, entries of NIS, and entries with an invalid number.
func read(path string, fields int, text string) (list [][]string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
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
		if _, err := strconv.Atoi(f[idField]); err == nil {
			list = append(list, f)
		}
	}
	return list, lines.Err()
}
