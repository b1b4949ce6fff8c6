package output

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/logger"
	"github.com/emperor-go/emperor/internal/reads"
)

// file is a log file that is opened again after it was renamed. One goroutine at a time writes
// and closes it, which may block; no other goroutine waits for that. Make it with newFile.
type file struct {
	life
	logger.Logger
	uid  uint32      // of the vassal
	pool *reads.Pool // runs all operations that may hang

	f    *os.File                // nil: none is open
	next atomic.Pointer[os.File] // to be written to from now on; nil: f is
	shut atomic.Bool             // nothing is written from now on
	full int64                   // the size of the next attempt to rename it, after a failure
}

func newFile(to logger.Logger, uid uint32, pool *reads.Pool) *file {
	return &file{life: newLife(), Logger: to, uid: uid, pool: pool}
}

// openFile opens a log file for appending. No component of the path may be a symbolic link. The file must be a
// regular file with one name that belongs to the emperor or the vassal. Its directory may belong to a tenant,
// who must not make the emperor write to other files.
func openFile(path string, uid uint32) (*os.File, error) {
	how := &unix.OpenHow{
		Flags: unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY, Mode: 0o640,
		Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	}
	fd, err := unix.Openat2(unix.AT_FDCWD, path, how)
	switch {
	case errors.Is(err, unix.ELOOP):
		return nil, fmt.Errorf("cannot open log %q: there is a symbolic link in the path (write the path that it leads to)", path)
	case errors.Is(err, unix.ENXIO):
		return nil, fmt.Errorf("cannot open log %q: it is not a plain file", path)
	case err != nil:
		return nil, fmt.Errorf("cannot open log %q: %w", path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	if err := trusted(fd, uid); err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot open log %q: %w", path, err)
	}
	return f, nil
}

func trusted(fd int, uid uint32) error {
	var s unix.Stat_t
	if err := unix.Fstat(fd, &s); err != nil {
		return err
	}
	switch {
	case s.Mode&unix.S_IFMT != unix.S_IFREG:
		return errors.New("it is not a plain file")
	case s.Nlink != 1:
		return fmt.Errorf("it has %d names, and one of them may be another user's file", s.Nlink)
	case s.Uid != uint32(os.Geteuid()) && s.Uid != uid:
		return fmt.Errorf("it belongs to user %d, neither the emperor nor the vassal", s.Uid)
	}
	return nil
}

// Write implements io.Writer. When the file has lost its name, the path is opened again, so
// that rotation needs no signal.
func (f *file) Write(p []byte) (n int, err error) {
	err = f.pool.Await(f.ctx, f.Path, func() error {
		n, err = f.write(p)
		return err
	})
	return n, err
}

func (f *file) write(p []byte) (int, error) {
	f.advance()
	f.limit()
	if f.f == nil || f.moved() {
		if err := f.reopen(); err != nil && f.f == nil {
			return 0, err
		}
		f.advance()
	}
	return f.f.Write(p)
}

// limit renames a file that is too large. No directory on the way may be a symbolic link: it may
// be a tenant's. A failure is tried again after the same amount.
func (f *file) limit() {
	if f.f == nil || f.MaxSize == 0 {
		return
	}
	info, err := f.f.Stat()
	if err != nil || info.Size() < max(f.MaxSize, f.full) {
		return
	}
	f.full = 0
	if err := logger.Rotate(f.f, f.Path, f.Backup, unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_NO_MAGICLINKS); err != nil {
		f.full = info.Size() + f.MaxSize
		_, _ = f.f.WriteString("emperor: " + err.Error() + "\n")
	}
}

// advance replaces the file by the one that was opened again.
func (f *file) advance() {
	if next := f.next.Swap(nil); next != nil {
		f.f.Close()
		f.f = next
	}
}

// moved reports whether the path now names another file, or none.
func (f *file) moved() bool {
	var open, named unix.Stat_t
	if unix.Fstat(int(f.f.Fd()), &open) != nil {
		return true
	}
	err := unix.Lstat(f.Path, &named)
	return err != nil || open.Ino != named.Ino || open.Dev != named.Dev
}

// again is reopen for callers that must not hang. When it takes too long, it is completed
// later, at the latest before the next write.
func (f *file) again() error {
	return f.pool.Do(context.Background(), f.Path, func(reads.At) error { return f.reopen() })
}

// reopen opens the path; the open file stays open when that fails.
func (f *file) reopen() error {
	fresh, err := openFile(f.Path, f.uid)
	if err != nil {
		return err
	}
	f.next.Swap(fresh).Close()
	if f.shut.Load() {
		f.next.Swap(nil).Close()
	}
	return nil
}

// Close implements io.Closer.
func (f *file) Close() error {
	defer f.end()
	if f.shut.Store(true); f.f == nil && f.next.Load() == nil {
		return nil
	}
	return f.pool.Await(context.WithoutCancel(f.ctx), f.Path, func() error {
		f.advance()
		return f.f.Close()
	})
}
