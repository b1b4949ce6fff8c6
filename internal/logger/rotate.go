package logger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Rotate renames the file at path, unless path does not lead to f any more: several processes
// may write to one file, and one of them renames it. The new name is backup, whose file it
// replaces, or without one path and the time, as in uWSGI. resolve has flags of openat2(2) for
// the directories of both.
func Rotate(f *os.File, path, backup string, resolve uint64) error {
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("cannot rename log %q: %w", path, err)
	}
	defer func() { _ = unix.Flock(int(f.Fd()), unix.LOCK_UN) }()
	from, err := openDirectory(path, resolve)
	if err != nil {
		return err
	}
	defer unix.Close(from)
	if !is(f, from, filepath.Base(path)) {
		return nil
	}
	if backup != "" {
		to, err := openDirectory(backup, resolve)
		if err != nil {
			return err
		}
		defer unix.Close(to)
		return renamed(path, unix.Renameat(from, filepath.Base(path), to, filepath.Base(backup)))
	}
	name := filepath.Base(path)
	fresh := name + "." + strconv.FormatInt(time.Now().Unix(), 10)
	err = unix.Renameat2(from, name, from, fresh, unix.RENAME_NOREPLACE)
	for n := 1; errors.Is(err, unix.EEXIST); n++ {
		err = unix.Renameat2(from, name, from, fresh+"."+strconv.Itoa(n), unix.RENAME_NOREPLACE)
	}
	if errors.Is(err, unix.EINVAL) { // a file system without that flag
		err = unix.Renameat(from, name, from, fresh)
	}
	return renamed(path, err)
}

func renamed(path string, err error) error {
	if err != nil {
		return fmt.Errorf("cannot rename log %q: %w", path, err)
	}
	return nil
}

// openDirectory opens the directory of a path.
func openDirectory(path string, resolve uint64) (int, error) {
	fd, err := unix.Openat2(unix.AT_FDCWD, filepath.Dir(path), &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: resolve})
	return fd, renamed(path, err)
}

// is reports whether a name in a directory is the file f.
func is(f *os.File, dir int, name string) bool {
	var open, named unix.Stat_t
	return unix.Fstat(int(f.Fd()), &open) == nil && unix.Fstatat(dir, name, &named, unix.AT_SYMLINK_NOFOLLOW) == nil &&
		open.Ino == named.Ino && open.Dev == named.Dev
}
