// Package inotify reads changes of directories from the kernel (inotify(7)). It is for the program
// vassal, which must stay small, and for files that are only complete when their writer closes them:
// fsnotify has no such event. It also waits for one path, component by component, for the vassal and for paths that
// the emperor keeps (namespaces.WaitForPath). The monitors of the emperor use fsnotify.
package inotify

import (
	"bytes"
	"encoding/binary"
	"errors"
	"iter"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Watcher is an inotify instance. A user may have 128 of them, by default.
type Watcher struct {
	events *os.File
	buffer []byte
}

// Event is a change in a watched directory.
type Event struct {
	// Directory is the number that Add returned. -1 with Lost.
	Directory int
	// Mask has the kernel's bits, unix.IN_CREATE and others.
	Mask uint32
	// Name is the changed entry of the directory. Empty: the directory itself.
	Name string
}

// Lost reports that the kernel's queue was full, and has dropped events.
func (e Event) Lost() bool { return e.Mask&unix.IN_Q_OVERFLOW != 0 }

// New makes a watcher of nothing. The caller closes it.
func New() (*Watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("inotify_init", err)
	}
	return &Watcher{events: os.NewFile(uintptr(fd), "inotify")}, nil
}

// Add watches a directory, and returns its number. The same directory, by any path, has the
// same number, and then the mask replaces the one before.
func (w *Watcher) Add(dir string, mask uint32) (number int, err error) {
	err = w.control(func(fd int) error {
		number, err = unix.InotifyAddWatch(fd, dir, mask|unix.IN_ONLYDIR)
		return err
	})
	return number, err
}

// Remove ends the watch of a directory. Its events that are already queued are still read.
func (w *Watcher) Remove(number int) {
	_ = w.control(func(fd int) error { // fails only for a directory that is gone
		_, err := unix.InotifyRmWatch(fd, uint32(number))
		return err
	})
}

func (w *Watcher) control(do func(fd int) error) error {
	raw, err := w.events.SyscallConn()
	if err != nil {
		return err
	}
	var failure error
	return errors.Join(raw.Control(func(fd uintptr) { failure = do(int(fd)) }), failure)
}

// Read blocks until there are events. They are valid until the next Read. After the deadline
// the error is os.ErrDeadlineExceeded, after Close it is os.ErrClosed. A zero deadline: none.
func (w *Watcher) Read(deadline time.Time) (iter.Seq[Event], error) {
	if w.buffer == nil {
		w.buffer = make([]byte, 16<<10)
	}
	_ = w.events.SetReadDeadline(deadline) // fails only after Close, as Read does
	n, err := w.events.Read(w.buffer)
	if err != nil {
		return nil, err
	}
	return parse(w.buffer[:n]), nil
}

// parse yields the events of a read, which the kernel never cuts off.
func parse(b []byte) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		for rest := b; len(rest) >= unix.SizeofInotifyEvent; {
			end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(rest[12:]))
			name, _, _ := bytes.Cut(rest[unix.SizeofInotifyEvent:end], []byte{0})
			e := Event{int(int32(binary.NativeEndian.Uint32(rest))), binary.NativeEndian.Uint32(rest[4:]), string(name)}
			rest = rest[end:]
			if !yield(e) {
				return
			}
		}
	}
}

// Close ends all watches, and a Read that blocks. It may be called from any goroutine, and
// more than once.
func (w *Watcher) Close() { w.events.Close() }
