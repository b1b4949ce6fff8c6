// Package memfd makes files in memory for other processes (memfd_create(2)). All of them are
// sealed: no process that gets one can change its size, or its content where it is a text.
package memfd

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Text returns the descriptor of a file with an immutable text. Its offset is at the
// beginning. It is closed on exec; the caller closes it. The name is for /proc.
func Text(name string, text []byte) (fd int, err error) {
	return sealed(name, unix.F_SEAL_WRITE, func(fd int) error {
		for at := 0; at < len(text); {
			n, err := unix.Pwrite(fd, text[at:], int64(at))
			if err != nil {
				return os.NewSyscallError("pwrite", err)
			}
			at += n
		}
		return nil
	})
}

// File is Text as a file.
func File(name string, text []byte) (*os.File, error) {
	fd, err := Text(name, text)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Shared returns a file of zeros that its holders can write and map. Its size cannot change: a
// process that maps it is not killed by another one that shortens it. Pages take memory when
// they are used.
func Shared(name string, size int64) (*os.File, error) {
	fd, err := sealed(name, 0, func(fd int) error { return os.NewSyscallError("ftruncate", unix.Ftruncate(fd, size)) })
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// sealed makes a file, fills it, and seals its size and more. No such file is executable: a
// host may forbid others (vm.memfd_noexec, since Linux 6.3; older kernels do not know the
// flag).
func sealed(name string, more int, fill func(fd int) error) (int, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return -1, os.NewSyscallError("memfd_create", err)
	}
	if err = fill(fd); err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL|more)
		err = os.NewSyscallError("fcntl", err)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
