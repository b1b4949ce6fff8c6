package vassal

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/pkg/config"
)

// madeFile is a file that this process made. It is removed only while the path still names it.
type madeFile struct {
	path string
	made address.File
}

// writePidfile returns a step that writes one of the pid files.
func (v *Vassal) writePidfile(option string, which func(*config.Vassal) string) func(context.Context) error {
	return func(context.Context) error {
		path := which(v.options)
		if path == "" {
			return nil
		}
		made, err := writePid(path)
		if err != nil {
			return v.options.Blame(option, path, fmt.Errorf("cannot write pid file: %w", err))
		}
		v.files = append(v.files, made)
		return nil
	}
}

// writePid replaces the file, and does not write through a link: before the drop this runs as
// root.
func writePid(path string) (made madeFile, err error) {
	// Not os.Remove: that would also remove an empty directory.
	if err := unix.Unlink(path); err != nil && err != unix.ENOENT {
		return made, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return made, err
	}
	defer f.Close()
	made.path = address.Absolute(path)
	if made.made, err = address.FileOf(path); err != nil {
		return made, err
	}
	_, err = f.WriteString(strconv.Itoa(os.Getpid()) + "\n")
	return made, err
}

// removeFiles removes, with vacuum, the files that are still ours.
func (v *Vassal) removeFiles() {
	if v.options == nil || !v.options.Listening.Vacuum {
		return
	}
	for _, f := range v.files {
		if f.made.Is(f.path) {
			_ = os.Remove(f.path)
		}
	}
}
