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

// pidfiles are the pid files that this process has written.
type pidfiles struct{ list []madeFile }

// madeFile is a file that this process made. It is removed only while the path still names it.
type madeFile struct {
	path string
	made address.File
}

// write returns a step that writes the pid file of an option.
func (p *pidfiles) write(option string, which func(*config.Vassal) string) optionStep {
	return func(_ context.Context, o *config.Vassal) error {
		path := which(o)
		if path == "" {
			return nil
		}
		made, err := writePid(path)
		if err != nil {
			return o.Blame(option, path, fmt.Errorf("cannot write pid file: %w", err))
		}
		p.list = append(p.list, made)
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

// remove removes, with vacuum, the files that are still ours. Nil options: there are none.
func (p *pidfiles) remove(o *config.Vassal) {
	if o == nil || !o.Listening.Vacuum {
		return
	}
	for _, f := range p.list {
		if f.made.Is(f.path) {
			_ = os.Remove(f.path)
		}
	}
}
