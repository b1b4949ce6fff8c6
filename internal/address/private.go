package address

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ListenPacket returns a datagram socket at a new path, which has that mode regardless of the
// umask. Its messages come with their senders (SO_PASSCRED). The caller closes the descriptor, and
// removes the path.
func ListenPacket(path string, mode fs.FileMode) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err == nil {
		err = bindNew(fd, path, mode)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// bindNew binds a socket to a path that does not exist. After an error there is no path.
func bindNew(fd int, path string, mode fs.FileMode) error {
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return err
	}
	err := os.Chmod(path, mode)
	if err != nil {
		_ = os.Remove(path)
	}
	return err
}

// ListenUnnamed returns a listening socket without a name in the file system, and a descriptor
// of its former path (O_PATH). Only a process that has this descriptor can connect, by
// /proc/self/fd. The socket blocks, as the one of Listen does. It skips a file system that does
// not support sockets. The caller closes both files.
func ListenUnnamed(name string, backlog int) (socket, door *os.File, err error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socket", err)
	}
	socket = os.NewFile(uintptr(fd), name)
	var failed error
	for _, above := range []string{"/run", os.TempDir(), "/dev/shm", "/var/tmp"} {
		if door, err = bindBelow(above, fd); err == nil {
			if err = unix.Listen(fd, backlog); err == nil {
				return socket, door, nil
			}
			door.Close()
		}
		failed = errors.Join(failed, err)
	}
	socket.Close()
	return nil, nil, failed
}

// bindBelow binds a socket in a new directory, opens its path, and removes both.
func bindBelow(above string, fd int) (door *os.File, err error) {
	dir, err := os.MkdirTemp(above, ".vassal-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(dir) }()
	path := filepath.Join(dir, "socket")
	if err := bindNew(fd, path, 0o600); err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(path) }()
	opened, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(opened), path), nil
}
