package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/kballard/go-shellquote"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// Identity is a user or a group as it was written: a number, or a name that must
// exist where the program runs. The zero value means that none was given.
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

// accountName reports whether the system's files could hold s: letters, digits,
// `_`, `.` and `-`, not beginning with a digit, `.` or `-`, with a `$` at the end
// at most (machine accounts, useradd(8)).
func accountName(s string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
	s = strings.TrimSuffix(s, "$")
	return s != "" && len(s) <= 256 && strings.IndexByte(letters, s[0]) >= 0 && strings.Trim(s, letters+"0123456789.-") == ""
}

// parseIdentity never guesses: what is neither a plain number nor could be a
// name is an error. The last id, 4294967295, is -1 to the kernel and means "do
// not change".
func parseIdentity(s string) (Identity, error) {
	if s != "" && strings.Trim(s, "0123456789") == "" {
		id, err := strconv.ParseUint(s, 10, 32)
		if err != nil || id == 1<<32-1 {
			return Identity{}, hinted{fmt.Sprintf("%q is not an id", s), "0 to 4294967294"}
		}
		return Identity{Set: true, ID: uint32(id)}, nil
	}
	if !accountName(s) {
		return Identity{}, hinted{fmt.Sprintf("%q is neither a number nor a name", s), "such as 1000 or www-data"}
	}
	return Identity{Set: true, Name: s}, nil
}

// parseDuration reads seconds, as uWSGI does, or a duration with units.
func parseDuration(s string) (time.Duration, error) {
	if seconds, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, hinted{fmt.Sprintf("%q is not a time", s), "seconds, or such as 500ms or 1m30s"}
	}
	return d, nil
}

// parseBool follows uWSGI: anything but a plain no is yes.
func parseBool(s string) bool {
	switch strings.ToLower(s) {
	case "false", "off", "no", "0":
		return false
	}
	return true
}

// parseWords splits a command line into words as a shell would, and does nothing
// else a shell does.
func parseWords(s string) ([]string, error) {
	words, err := shellquote.Split(s)
	switch {
	case err != nil:
		return nil, hinted{"a quote is not closed", ""}
	case len(words) == 0:
		return nil, hinted{"no program given", "PROGRAM ARGUMENTS…"}
	}
	return words, nil
}

func parseStaticMap(s string) (serving.Map, error) {
	mount, dir, ok := strings.Cut(s, "=")
	if !ok || !strings.HasPrefix(mount, "/") || dir == "" {
		return serving.Map{}, hinted{fmt.Sprintf("%q is not a mapping", s), "such as /static=/srv/www"}
	}
	return serving.Map{Mount: mount, Dir: dir}, nil
}
