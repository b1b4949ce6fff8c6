package config

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/pkg/config/option"
)

// Identity is a user or a group as it was written: a number, or a name that must exist in the
// user database of the program. The zero value means that none was given.
type Identity struct {
	// Set is true when one was given.
	Set bool
	// Name is empty for a number.
	Name string
	// ID is the number when there is no name.
	ID uint32
}

// String prints it as it was written.
func (i Identity) String() string {
	if !i.Set || i.Name != "" {
		return i.Name
	}
	return strconv.FormatUint(uint64(i.ID), 10)
}

// parseOwner parses USER[:GROUP].
func parseOwner(s string) (user, group Identity, err error) {
	name, of, both := strings.Cut(s, ":")
	if user, err = parseIdentity(name); err == nil && both {
		group, err = parseIdentity(of)
	}
	return user, group, err
}

// parsePermissions parses the bits of a mode or a mask, in octal; what names it.
func parsePermissions(s, what, example string) (fs.FileMode, error) {
	bits, err := strconv.ParseUint(s, 8, 16)
	if err != nil || bits > 0o777 {
		return 0, option.Wrong(fmt.Sprintf("%q is not a %s", s, what), "octal, such as "+example)
	}
	return fs.FileMode(bits), nil
}

// accountName reports whether the system's files could contain s: letters, digits, `_`, `.`
// and `-`, not beginning with a digit, `.` or `-`, with a `$` at the end at most (machine
// accounts, useradd(8)).
func accountName(s string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
	s = strings.TrimSuffix(s, "$")
	return s != "" && len(s) <= 256 && strings.IndexByte(letters, s[0]) >= 0 && strings.Trim(s, letters+"0123456789.-") == ""
}

// Parse implements option.Field.
func (i *Identity) Parse(text string) (err error) {
	*i, err = parseIdentity(text)
	return err
}

// parseIdentity never guesses: a text that is neither a plain number nor a possible name is an
// error. The last id, 4294967295, is -1 for the kernel and means "do not change".
func parseIdentity(s string) (Identity, error) {
	if s != "" && strings.Trim(s, "0123456789") == "" {
		id, err := strconv.ParseUint(s, 10, 32)
		if err != nil || id == 1<<32-1 {
			return Identity{}, option.Wrong(fmt.Sprintf("%q is not an id", s), "0 to 4294967294")
		}
		return Identity{Set: true, ID: uint32(id)}, nil
	}
	if !accountName(s) {
		return Identity{}, option.Wrong(fmt.Sprintf("%q is neither a number nor a name", s), "such as 1000 or www-data")
	}
	return Identity{Set: true, Name: s}, nil
}
