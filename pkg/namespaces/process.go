package namespaces

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Process is a child of this process, held by a pidfd. Its pid is not reused for another
// process until Wait has returned.
type Process struct {
	// PID in the namespace of the caller.
	PID   int
	pidfd *os.File // in the runtime's poller
}

// Hold takes ownership of a pidfd of a child of this process that has not been waited for. After
// an error the pidfd is closed.
func Hold(pid, pidfd int) (*Process, error) {
	p, err := hold(pid, pidfd)
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// hold takes ownership of a pidfd. The Process can be closed even after an error.
func hold(pid, pidfd int) (*Process, error) {
	p := &Process{PID: pid}
	if pidfd < 0 {
		return p, fmt.Errorf("cannot hold process %d: the kernel gave no pidfd", pid)
	}
	// In the poller a pidfd parks a goroutine, not a thread, for each process.
	err := unix.SetNonblock(pidfd, true)
	p.pidfd = os.NewFile(uintptr(pidfd), "pidfd")
	if err != nil {
		return p, fmt.Errorf("cannot hold process %d: %w", pid, err)
	}
	return p, nil
}

// ExitStatus describes the end of a process.
type ExitStatus struct {
	// Code is the exit code, or -1 when a signal ended the process.
	Code int
	// Signal is the signal that ended it, or zero.
	Signal syscall.Signal
}

// String prints like `exit status 1` and `signal: killed`.
func (s ExitStatus) String() string {
	switch s.Signal {
	case 0:
	case unix.SIGSYS:
		return "signal: " + s.Signal.String() + " (a filter of system calls ended it: system-call-filter ends programs for another processor, such as 32-bit ones)"
	default:
		return "signal: " + s.Signal.String()
	}
	return "exit status " + strconv.Itoa(s.Code)
}

// SyscallConn implements syscall.Conn: the descriptor becomes readable when the process is
// dead.
func (p *Process) SyscallConn() (syscall.RawConn, error) { return p.pidfd.SyscallConn() }

// Dead reports whether the process is dead, and leaves it as a zombie.
func (p *Process) Dead() bool {
	raw, err := p.pidfd.SyscallConn()
	if err != nil {
		return true
	}
	var info siginfo
	control := raw.Control(func(fd uintptr) { err = waitid(fd, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT) })
	return control != nil || err != nil || info.pid != 0
}

// Wait blocks until the process is dead, and reaps it. It waits for this process alone. A
// second Wait is an error.
func (p *Process) Wait() (ExitStatus, error) { return p.wait(0) }

// Died blocks until the process is dead, and leaves it as a zombie.
func (p *Process) Died() (ExitStatus, error) { return p.wait(unix.WNOWAIT) }

// DiedWithin is Died with a time limit.
func (p *Process) DiedWithin(d time.Duration) (status ExitStatus, ok bool) {
	if p.pidfd.SetReadDeadline(time.Now().Add(d)) != nil {
		return status, false
	}
	defer func() { _ = p.pidfd.SetReadDeadline(time.Time{}) }()
	status, err := p.Died()
	return status, err == nil
}

// DiedAfter is Died for a process that is killed when ctx ends: it gives up d after that, with
// os.ErrDeadlineExceeded. A process in a system call that does not return takes no signal.
func (p *Process) DiedAfter(ctx context.Context, d time.Duration) (ExitStatus, error) {
	stop := context.AfterFunc(ctx, func() { _ = p.pidfd.SetReadDeadline(time.Now().Add(d)) })
	defer stop()
	status, err := p.Died()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		_ = p.pidfd.SetReadDeadline(time.Time{})
	}
	return status, err
}

// wait parks its goroutine, and takes no thread.
func (p *Process) wait(more int) (status ExitStatus, err error) {
	raw, err := p.pidfd.SyscallConn()
	if err != nil {
		return status, err
	}
	var info siginfo
	poll := raw.Read(func(fd uintptr) bool {
		info = siginfo{}
		err = waitid(fd, &info, unix.WEXITED|unix.WNOHANG|more)
		return err != nil || info.pid != 0
	})
	if err = errors.Join(poll, err); err != nil {
		return status, fmt.Errorf("cannot wait for process %d: %w", p.PID, err)
	}
	if info.code == cldExited {
		return ExitStatus{Code: int(info.status)}, nil
	}
	return ExitStatus{Code: -1, Signal: syscall.Signal(info.status)}, nil
}

// Signal sends a signal to exactly this process. After the process was reaped it returns
// os.ErrProcessDone.
func (p *Process) Signal(s syscall.Signal) error {
	raw, err := p.pidfd.SyscallConn()
	if err != nil {
		return os.ErrProcessDone
	}
	control := raw.Control(func(fd uintptr) { err = unix.PidfdSendSignal(int(fd), s, nil, 0) })
	switch {
	case control != nil, errors.Is(err, unix.ESRCH):
		return os.ErrProcessDone
	case err != nil:
		return fmt.Errorf("cannot signal process %d: %w", p.PID, err)
	}
	return nil
}

// OpenNamespace returns a descriptor of one of the process's namespaces. The descriptor
// remains valid after the process's death. The caller closes it. It returns an error when the
// process is in the caller's own namespace, or is dead.
func (p *Process) OpenNamespace(which Flags) (*os.File, error) {
	for _, n := range names {
		if n.flag == which {
			return p.open(n.entry)
		}
	}
	return nil, fmt.Errorf("cannot open namespace %q: not exactly one", which)
}

// OpenNetwork returns a handle of the process's network namespace, as OpenNamespace does. The
// caller closes it.
func (p *Process) OpenNetwork() (netns.NsHandle, error) {
	f, err := p.OpenNamespace(NewNet)
	if err != nil {
		return netns.None(), err
	}
	defer f.Close()
	return DuplicateNetwork(netns.NsHandle(f.Fd()))
}

func (p *Process) open(entry string) (*os.File, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", p.PID, entry))
	if err != nil {
		return nil, fmt.Errorf("cannot open a namespace: %w", err)
	}
	// While a signal can be sent through the pidfd, the pid names this process.
	if err := p.Signal(0); err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot open %s namespace of process %d: %w", entry, p.PID, err)
	}
	theirs, err := f.Stat()
	own, ownErr := os.Stat("/proc/self/ns/" + entry)
	if err = errors.Join(err, ownErr); err == nil && os.SameFile(theirs, own) {
		err = errors.New("process shares this namespace with the caller")
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot open %s namespace of process %d: %w", entry, p.PID, err)
	}
	return f, nil
}

// Close releases the process; it neither ends nor reaps it.
func (p *Process) Close() error {
	if p.pidfd == nil {
		return nil
	}
	return p.pidfd.Close()
}
