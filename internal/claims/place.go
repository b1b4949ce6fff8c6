package claims

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Places lists the files in which emperors of a user may keep their claims, the usual one
// first. All emperors know them, whatever their options are.
func Places(uid int, getenv func(string) string) (files []string) {
	const name = "emperor.claims"
	if uid == 0 {
		files = append(files, filepath.Join("/run", name))
	} else {
		files = append(files, filepath.Join("/run/user", strconv.Itoa(uid), name))
		if dir := getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) && uid == os.Geteuid() {
			files = append(files, filepath.Join(dir, name))
		}
	}
	return append(files, fmt.Sprintf("/tmp/.%s-%d", name, uid))
}

// open opens the file of claims, which it creates if necessary, and uses it (see use). It
// refuses a file that another user owns or can open, and a directory in which other users
// could replace it.
func open(path string, uid int) (*os.File, error) {
	dir, err := os.OpenFile(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	var s unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &s); err != nil {
		return nil, &os.PathError{Op: "stat", Path: dir.Name(), Err: err}
	}
	if s.Uid != 0 && int(s.Uid) != uid {
		return nil, fmt.Errorf("%q belongs to user %d", dir.Name(), s.Uid)
	}
	if s.Mode&0o022 != 0 && s.Mode&unix.S_ISVTX == 0 {
		return nil, fmt.Errorf("others can write to %q (mode %o)", dir.Name(), s.Mode&0o7777)
	}
	for began := time.Now(); ; <-time.After(time.Millisecond) {
		f, err := openIn(dir, path, uid)
		if errors.Is(err, unix.ENOENT) && time.Since(began) < glimpse {
			continue
		}
		if err != nil {
			return nil, err
		}
		err = private(f, uid)
		if err == nil && (use(f) || time.Since(began) > glimpse) {
			return f, nil
		}
		f.Close()
		if err != nil {
			return nil, err
		}
	}
}

// openIn opens a regular file for reading and writing. A new file belongs to uid, which this
// process may be about to become.
func openIn(dir *os.File, path string, uid int) (*os.File, error) {
	const how = unix.O_RDWR | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	fd, err := unix.Openat(int(dir.Fd()), filepath.Base(path), how|unix.O_CREAT|unix.O_EXCL, 0o600)
	made := err == nil
	if errors.Is(err, unix.EEXIST) {
		fd, err = unix.Openat(int(dir.Fd()), filepath.Base(path), how, 0)
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	if made && uid != os.Geteuid() {
		if err := f.Chown(uid, -1); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

// use locks the file as used, and reports whether it still exists: the last process that uses
// it removes it. Cleaners of /tmp leave such a file alone (tmpfiles.d(5)).
func use(f *os.File) bool {
	return unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil && named(f, f.Name())
}

// leave closes the file, and removes it when no other process uses it.
func leave(f *os.File) {
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil && named(f, f.Name()) {
		_ = os.Remove(f.Name())
	}
	f.Close()
}

// private fails when f is not a file that only root and a user can open.
func private(f *os.File, uid int) error {
	var s unix.Stat_t
	err := unix.Fstat(int(f.Fd()), &s)
	switch {
	case err != nil:
	case s.Mode&unix.S_IFMT != unix.S_IFREG:
		err = errors.New("it is no regular file")
	case int(s.Uid) != uid:
		err = fmt.Errorf("it belongs to user %d", s.Uid)
	case s.Mode&0o077 != 0:
		err = fmt.Errorf("others may open it (mode %o)", s.Mode&0o7777)
	case s.Nlink > 1:
		err = errors.New("it has another name as well")
	}
	if err != nil {
		return fmt.Errorf("cannot keep claims in %q: %w", f.Name(), err)
	}
	return nil
}

// named reports whether a path names an open file.
func named(f *os.File, path string) bool {
	ours, err := f.Stat()
	there, gone := os.Lstat(path)
	return err == nil && gone == nil && os.SameFile(ours, there)
}
