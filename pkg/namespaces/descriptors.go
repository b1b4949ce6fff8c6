package namespaces

import (
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// CloseOnExecFrom marks every descriptor from first up as close-on-exec, in one system call
// regardless of their number or limit (close_range(2)).
func CloseOnExecFrom(first uint) error {
	if err := unix.CloseRange(first, ^uint(0)>>32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("cannot mark descriptors close-on-exec: %w", err)
	}
	return nil
}

// Modes of pipes that stand for standard input, output and error. A process opens such a pipe
// by name (/dev/stderr, /proc/self/fd/2) with the rights of its own user, which need not be the
// user that made the pipe. Only a process that may trace the holder of a descriptor reaches the
// pipe by that name (proc_pid_fd(5)), so no other process gains access. Ownership would not do:
// several users can have the same pipe, and its owner could read it.
const (
	WrittenByName fs.FileMode = 0o622
	ReadByName    fs.FileMode = 0o644
)

// PipeByName makes a pipe with a mode of those above. The caller closes both ends; neither is
// inherited.
func PipeByName(mode fs.FileMode) (read, write *os.File, err error) {
	if read, write, err = os.Pipe(); err != nil {
		return nil, nil, fmt.Errorf("cannot make a pipe: %w", err)
	}
	if err := write.Chmod(mode); err != nil {
		read.Close()
		write.Close()
		return nil, nil, fmt.Errorf("cannot make a pipe: %w", err)
	}
	return read, write, nil
}
