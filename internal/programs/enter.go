package programs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// CannotEnter returns the error of a user at a working directory.
func CannotEnter(dir string, uid int, err error) error {
	hint := ""
	if errors.Is(err, unix.EACCES) {
		hint = " (chdir = /)"
	}
	return fmt.Errorf("cannot enter working directory %q as uid %d: %w%s", dir, uid, err, hint)
}
