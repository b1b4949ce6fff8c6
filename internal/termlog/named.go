package termlog

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Moved reports whether a path names another file than f by now, or none. It follows a link.
func Moved(f *os.File, path string) bool {
	ours, err := f.Stat()
	if err != nil {
		return true
	}
	named, err := os.Stat(path)
	return err != nil || !os.SameFile(ours, named)
}

// Named appends to the file at a path. It follows the name: when the file was renamed or
// removed, it is opened again before the next Write. While it cannot be opened the lines go
// elsewhere. One goroutine at a time writes.
type Named struct {
	path string
	f    *os.File // nil: it could not be opened
	// refused gets the error, once for a series of failures.
	refused func(error)
	// instead gets the lines while the file is not open.
	instead io.Writer

	// MaxSize is the size in bytes at which Rotate renames the file. Zero: never. The caller sets
	// both before the first Write.
	MaxSize int64
	Rotate  func(f *os.File) error
	again   int64 // the size of the next attempt, after a failure
}

// NewNamed opens the file at a path, or passes the error to refused.
func NewNamed(path string, refused func(error), instead io.Writer) *Named {
	n := &Named{path: path, refused: refused, instead: instead}
	if err := n.open(); err != nil {
		refused(err)
	}
	return n
}

// Write implements io.Writer.
func (n *Named) Write(p []byte) (int, error) {
	n.limit()
	if n.f == nil || Moved(n.f, n.path) {
		was := n.f
		if err := n.open(); err != nil && was != nil {
			n.refused(err)
		}
	}
	if n.f == nil {
		return n.instead.Write(p)
	}
	return n.f.Write(p)
}

// limit renames a file that is too large. A failure is tried again after the same amount.
func (n *Named) limit() {
	if n.f == nil || n.MaxSize == 0 {
		return
	}
	if info, err := n.f.Stat(); err != nil || info.Size() < max(n.MaxSize, n.again) {
		return
	} else if err := n.Rotate(n.f); err != nil {
		n.refused(err)
		n.again = info.Size() + n.MaxSize
		return
	}
	n.again = 0
}

// open opens the path. It closes the previous file, also when there is no file in its place.
func (n *Named) open() error {
	_ = n.f.Close() // of nil: no effect
	n.f = nil
	f, err := os.OpenFile(n.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NOCTTY|unix.O_NONBLOCK, 0o640)
	if err == nil {
		if info, wrong := f.Stat(); wrong != nil || !info.Mode().IsRegular() {
			f.Close()
			return fmt.Errorf("cannot open %s: it is not a plain file", n.path)
		}
		n.f = f
	}
	return err
}
