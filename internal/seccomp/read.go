package seccomp

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/problem"
)

// mostBytes limits the size of a profile. Docker's has 12 KiB.
const mostBytes = 1 << 20

// Read compiles the profile in a file, which belongs to root or to the user of this process, and which no other user can change. Mistakes in it
// are of type problem.Problems. The kernel is the one that runs.
func Read(path string, holds func(capability string) bool) ([]unix.SockFilter, error) {
	content, err := content(path)
	if err != nil {
		return nil, err
	}
	host := Host{Holds: holds}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return nil, os.NewSyscallError("uname", err)
	}
	if _, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &host.Kernel[0], &host.Kernel[1]); err != nil {
		return nil, fmt.Errorf("cannot read the version of the kernel: %w", err)
	}
	return Compile(path, content, host)
}

func content(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	var is unix.Stat_t
	if err := unix.Fstat(fd, &is); err != nil {
		return nil, os.NewSyscallError("fstat", err)
	}
	switch {
	case is.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil, problem.Wrong(path+" is no file", "")
	case is.Uid != 0 && is.Uid != uint32(os.Geteuid()):
		return nil, problem.Wrong(fmt.Sprintf("%s belongs to uid %d", path, is.Uid), "chown root")
	case is.Mode&0o022 != 0:
		return nil, problem.Wrong("other users can change "+path, "chmod go-w")
	case is.Size > mostBytes:
		return nil, problem.Wrong(path+" is too large for a profile", "at most 1 MiB")
	}
	text, err := io.ReadAll(io.LimitReader(f, mostBytes+1))
	if err == nil && len(text) > mostBytes {
		err = errors.New("it grows")
	}
	return text, err
}
