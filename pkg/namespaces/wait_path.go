package namespaces

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/inotify"
)

// WaitForPath blocks until found returns true. It calls found again when an entry in the
// directory of path is created, deleted or changed; while that directory does not exist, it
// watches the nearest existing parent. It does not poll (inotify(7)). When ctx ends it returns
// ctx's error.
func WaitForPath(ctx context.Context, path string, found func() bool) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	for {
		news, watched, err := watchNearest(filepath.Dir(path))
		if err != nil {
			return fmt.Errorf("cannot wait for %q: %w", path, err)
		}
		done, err := awaitChange(ctx, news, next(watched, path), found)
		if done || err != nil {
			return err
		}
	}
}

// awaitChange calls found and, on false, waits for one change. A directory of the path that
// appeared before the watch was set also counts as a change. It closes news.
func awaitChange(ctx context.Context, news *inotify.Watcher, next string, found func() bool) (done bool, err error) {
	defer news.Close()
	stop := context.AfterFunc(ctx, func() { news.Close() })
	defer stop()
	if found() {
		return true, nil
	}
	if info, err := os.Stat(next); err == nil && info.IsDir() {
		return false, ctx.Err()
	}
	_, err = news.Read(time.Time{})
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	return false, err
}

// next returns the directory of path below watched, or an empty string when watched is the
// last.
func next(watched, path string) string {
	rest, err := filepath.Rel(watched, filepath.Dir(path))
	if err != nil || rest == "." {
		return ""
	}
	first, _, _ := strings.Cut(rest, "/")
	return filepath.Join(watched, first)
}

// watchNearest watches a directory, or its nearest existing parent.
func watchNearest(dir string) (*inotify.Watcher, string, error) {
	w, err := inotify.New()
	if err != nil {
		return nil, "", err
	}
	const changes = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_ATTRIB | unix.IN_DELETE | unix.IN_MOVED_FROM |
		unix.IN_DELETE_SELF | unix.IN_MOVE_SELF
	for {
		_, err := w.Add(dir, changes)
		if err == nil {
			return w, dir, nil
		}
		if (!errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR)) || dir == "/" {
			w.Close()
			return nil, "", err
		}
		dir = filepath.Dir(dir)
	}
}

// WaitForMount blocks until a filesystem is mounted on the directory. The kernel reports each
// change of the mount table (proc_pid_mounts(5)).
func WaitForMount(ctx context.Context, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	// Not os.Open: a poll of the table consumes its event (fs/namespace.c), and the runtime
	// would poll.
	table, err := unix.Open("/proc/self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("open mountinfo", err)
	}
	defer unix.Close(table)
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	stop := context.AfterFunc(ctx, func() { write.Close() })
	defer stop()
	defer write.Close()
	for {
		if isMountpoint(dir) {
			return nil
		}
		polled := []unix.PollFd{{Fd: int32(table), Events: unix.POLLPRI}, {Fd: int32(read.Fd()), Events: unix.POLLIN}}
		if _, err := unix.Poll(polled, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("cannot wait for a mount: %w", err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// isMountpoint reports whether a directory is the root of a mount (statx(2)).
func isMountpoint(dir string) bool {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, dir, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, 0, &st)
	return err == nil && st.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT != 0 && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}
