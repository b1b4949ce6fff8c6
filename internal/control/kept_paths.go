package control

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/backoff"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

const (
	// settleTime is how long a loss is left alone: a cleaner removes one file after the other, and
	// a directory when it is empty. Each failed attempt doubles it.
	settleTime = 200 * time.Millisecond
	// pollInterval is the interval of polling when no event reports a loss, and the longest pause
	// between two attempts.
	pollInterval = 10 * time.Second
)

// Kept is an object that this process has put at a path, and that other processes may remove.
type Kept struct {
	// What and Path name it in the log. Required.
	What, Path string
	// Quiet is a directory with few changes. If it contains Path, the kernel reports changes
	// (inotify(7)); otherwise polling finds a loss.
	Quiet string
	// Whole reports whether the object is complete and belongs to this process. Restore makes
	// it so. Required.
	Whole   func() bool
	Restore func() error
	// Looked is called after each check that finds it complete. Nil: no call.
	Looked func()
	// Log gets each loss once. Required.
	Log *slog.Logger
}

// Keep restores the object whenever it is not complete, until ctx ends. It also polls when the
// kernel reports changes, because no event reports a mount that hides a directory.
func (k Kept) Keep(ctx context.Context) {
	last, pauses := "", backoff.Pauses{First: settleTime, Longest: pollInterval}
	for ctx.Err() == nil {
		if k.Whole() {
			last = ""
			pauses.Reset()
			if k.Looked != nil {
				k.Looked()
			}
			k.await(ctx)
			continue
		}
		wait := pauses.Next()
		_ = backoff.Pause(ctx, wait)
		err := k.Restore()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			k.Log.Warn(k.What+" was removed: it is made again", "path", k.Path)
			continue
		case err.Error() != last && wait > settleTime: // not while other parts of it are still missing
			last = err.Error()
			k.Log.Error(k.What+" was removed, and cannot be made again", "path", k.Path, "error", err)
		}
	}
}

// await returns when the object may be incomplete, and when it is time to poll.
func (k Kept) await(ctx context.Context) {
	looking, cancel := context.WithTimeout(ctx, pollInterval)
	defer cancel()
	if filepath.Dir(k.Path) != filepath.Clean(k.Quiet) || namespaces.WaitForPath(looking, k.Path, func() bool { return !k.Whole() }) != nil {
		<-looking.Done() // also without events
	}
}

// Identity distinguishes a file from later files at its path. The identity of no file is zero.
type Identity struct {
	major, minor uint32
	ino          uint64
	born         unix.StatxTimestamp // inode numbers are reused; zero: the file system has no time of birth
}

// IdentityOf returns the identity of the file at a path, which may be a link.
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
