package namespaces

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/procstat"
)

// Identity identifies one process, even after its end and after a reboot. The zero value means
// none.
type Identity struct {
	// Boot identifies the boot of the kernel, and Space is the inode of the pid namespace of
	// PID.
	Boot  string `json:"boot"`
	Space uint64 `json:"space"`
	PID   int    `json:"pid"`
	// Start is the start time, in clock ticks since the boot (proc_pid_stat(5)).
	Start uint64 `json:"start"`
}

// IdentityOf returns the identity of a process in the caller's pid namespace. The process must
// not be reaped before it returns.
func IdentityOf(pid int) (i Identity, err error) {
	i.PID, i.Space = pid, pidNamespace()
	if i.Boot, err = bootID(); err == nil {
		i.Start, err = startOf(pid)
	}
	if err == nil && i.Space == 0 {
		err = errors.New("there is no pid namespace in /proc")
	}
	if err != nil {
		return Identity{}, fmt.Errorf("cannot identify process %d: %w", pid, err)
	}
	return i, nil
}

// bootID changes with each boot of the kernel (random(4)).
func bootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(text)), err
}

// startOf returns the time at which a process started, in ticks after the boot (proc_pid_stat(5)).
func startOf(pid int) (uint64, error) {
	s, ok := stat(pid)
	if !ok {
		return 0, os.ErrProcessDone
	}
	return s.Number(procstat.StartTime), nil
}

// hold opens a pidfd of the process. The error is os.ErrProcessDone when the process has ended
// or is not visible from here.
func (i Identity) hold() (pidfd int, err error) {
	if i.PID <= 0 {
		return -1, os.ErrProcessDone
	}
	pidfd, err = unix.PidfdOpen(i.PID, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) {
		return -1, os.ErrProcessDone
	}
	if err != nil {
		return -1, fmt.Errorf("cannot hold process %d: %w", i.PID, err)
	}
	// The pid may have been reused before it was opened, but not afterwards.
	if now, err := IdentityOf(i.PID); err != nil || now != i {
		unix.Close(pidfd)
		return -1, os.ErrProcessDone
	}
	return pidfd, nil
}

// Lives reports whether the process exists, also as a zombie. It returns true when the answer
// is unknown.
func (i Identity) Lives() bool {
	pidfd, err := i.hold()
	if err == nil {
		unix.Close(pidfd)
	}
	return !errors.Is(err, os.ErrProcessDone)
}

// End kills the process, if it exists, and returns when it is dead. It returns an error when
// ctx ends first.
func (i Identity) End(ctx context.Context) error {
	pidfd, err := i.hold()
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	if err != nil {
		return err
	}
	held := os.NewFile(uintptr(pidfd), "pidfd") // in the runtime's poller: it takes no thread
	defer held.Close()
	if err := unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("cannot kill process %d: %w", i.PID, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = held.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	raw, err := held.SyscallConn()
	if err == nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = raw.Read(func(fd uintptr) bool {
			polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			n, err := unix.Poll(polled, 0)
			return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
		})
	}
	if err != nil {
		return fmt.Errorf("cannot wait for the end of process %d: %w", i.PID, err)
	}
	return nil
}

// NetworkID identifies the network namespace of the calling thread among all that this machine
// has had (socket(7), SO_NETNS_COOKIE).
func NetworkID() (string, error) {
	boot, err := bootID()
	if err != nil {
		return "", fmt.Errorf("cannot identify this network: %w", err)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil {
		return "", fmt.Errorf("cannot identify this network: %w", err)
	}
	return boot + "/" + strconv.FormatUint(cookie, 10), nil
}
