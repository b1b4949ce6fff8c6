package config

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/pkg/config/option"
)

// Identity is a user or a group in the form in which it was written: a number, or a name that
// must exist in the program's user database. Zero: none was given.
type Identity struct {
	// Set is true when a value was given.
	Set bool
	// Name is empty when a number was given.
	Name string
	// ID is the number, if Name is empty.
	ID uint32
}

// IdentityOf returns a user or a group by its number.
func IdentityOf(id uint32) Identity { return Identity{Set: true, ID: id} }

// String returns the written form.
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

// accountName reports whether the system's user database could contain s. A name has letters,
// digits, `_`, `.` and `-`; it does not begin with a digit, `.` or `-`, and may end in `$`
// (machine accounts, useradd(8)).
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

// parseIdentity accepts only a plain number or a possible name. The last id, 4294967295, is an
// error: for the kernel it is -1, "do not change".
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
