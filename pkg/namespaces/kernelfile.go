package namespaces

import (
	"errors"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// readAt reads a file of procfs or cgroupfs, by a path that is absolute or relative to the
// open directory dir. The text lies in buffer, or in a larger one if it does not fit. Package
// os would use its poller, and ask for the size of the file.
func readAt(dir int, path string, buffer []byte) (text []byte, err error) {
	fd, err := unix.Openat(dir, path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	text = buffer[:0]
	for {
		if len(text) == cap(text) {
			text = slices.Grow(text, max(len(text), 512))
		}
		n, err := unix.Read(fd, text[len(text):cap(text)])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, &os.PathError{Op: "read", Path: path, Err: err}
		case n == 0:
			return text, nil
		}
		text = text[:len(text)+n]
	}
}

// ReadKernelFile reads a small file of procfs, sysfs or a cgroup with fewer system calls than package os, which asks for the size
// and whether the file can be polled.
func ReadKernelFile(path string) ([]byte, error) {
	var buffer [1 << 10]byte
	return readAt(unix.AT_FDCWD, path, buffer[:])
}

// namesIn lists an open directory of procfs. Package os would allocate 8 kB, which each
// vassal would keep.
func namesIn(dir int, buffer []byte) (names []string, err error) {
	for {
		n, err := unix.ReadDirent(dir, buffer)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, os.NewSyscallError("getdents64", err)
		case n == 0:
			return names, nil
		}
		_, _, names = unix.ParseDirent(buffer[:n], -1, names)
	}
}
