package address

import (
	"errors"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrBusy is returned when a process listens on a unix socket.
var ErrBusy = errors.New("address already in use by a running process")

// RemoveDead removes the unix socket at a path when no process listens on it any more. kind is
// unix.SOCK_STREAM or unix.SOCK_DGRAM. It returns ErrBusy when a process listens, and nil when
// there is no socket at the path: bind(2) reports any other file.
func RemoveDead(path string, kind int) error {
	dir, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil // bind(2) reports the file
	}
	defer unix.Close(dir)
	return RemoveDeadAt(dir, filepath.Base(path), path, kind)
}

// RemoveDeadAt does the same for a name in an open directory. It connects to the socket by
// path, which need not be the directory's own path and may lead there by /proc/self/fd. It
// does not remove the name when another socket has taken it in the meantime.
func RemoveDeadAt(dir int, name, path string, kind int) error {
	var was, is unix.Stat_t
	if unix.Fstatat(dir, name, &was, unix.AT_SYMLINK_NOFOLLOW) != nil || was.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return nil // bind(2) reports the file
	}
	fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); {
	case errors.Is(err, unix.ECONNREFUSED):
	case err == nil, errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EPROTOTYPE):
		return ErrBusy
	default:
		return err
	}
	if unix.Fstatat(dir, name, &is, unix.AT_SYMLINK_NOFOLLOW) != nil || is.Ino != was.Ino || is.Dev != was.Dev {
		return nil
	}
	return unix.Unlinkat(dir, name, 0)
}
