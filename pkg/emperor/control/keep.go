package control

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

const (
	// settle is how long a loss is left alone: a cleaner removes one file after the
	// other, and a directory when it is empty. Each try that fails doubles it.
	settle = 200 * time.Millisecond
	// look is the time between two looks where no event tells of a loss, and the
	// longest between two tries.
	look = 10 * time.Second
)

// Kept is something that this process has put at a path, and that others may remove.
type Kept struct {
	// What and Path name it in the log. Required.
	What, Path string
	// Quiet is a directory in which little else happens. If Path is in it the kernel is
	// asked to tell of changes (inotify(7)); otherwise a loss is found by the next look.
	Quiet string
	// Whole reports whether all of it is there and this process's, and Restore makes
	// it so. Required.
	Whole   func() bool
	Restore func() error
	// Looked is called after each look that finds it whole. Nil: nothing is.
	Looked func()
	// Log is told of each loss once. Required.
	Log *slog.Logger
}

// Keep restores it whenever it is not whole, until ctx ends. Also where the kernel
// tells of changes it looks now and then: no event tells of a mount that hides a
// directory.
func (k Kept) Keep(ctx context.Context) {
	last, wait := "", settle
	for ctx.Err() == nil {
		if k.Whole() {
			last, wait = "", settle
			if k.Looked != nil {
				k.Looked()
			}
			k.await(ctx)
			continue
		}
		pause(ctx, wait)
		err := k.Restore()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			k.Log.Warn(k.What+" was removed: it is made again", "path", k.Path)
			continue
		case err.Error() != last && wait > settle: // not while other parts of it are still to be made
			last = err.Error()
			k.Log.Error(k.What+" was removed, and cannot be made again", "path", k.Path, "error", err)
		}
		wait = min(2*wait, look)
	}
}

// await returns when it may not be whole any more, and at the time for a look.
func (k Kept) await(ctx context.Context) {
	looking, cancel := context.WithTimeout(ctx, look)
	defer cancel()
	if filepath.Dir(k.Path) != filepath.Clean(k.Quiet) || namespaces.WaitForPath(looking, k.Path, func() bool { return !k.Whole() }) != nil {
		<-looking.Done() // also where there are no events to be had
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// Identity tells a file from others that come to be at its path. That of no file is
// zero.
type Identity struct {
	major, minor uint32
	ino          uint64
	born         unix.StatxTimestamp // inode numbers are used again; zero: the file system does not tell
}

// IdentityOf is that of the file at a path, which may be a link.
func IdentityOf(path string) Identity {
	var s unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_BTIME, &s)
	if path == "" || err != nil {
		return Identity{}
	}
	return Identity{s.Dev_major, s.Dev_minor, s.Ino, s.Btime}
}

// At reports whether the file is at a path.
func (i Identity) At(path string) bool { return i != Identity{} && i == IdentityOf(path) }
