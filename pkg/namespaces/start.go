package namespaces

import (
	"errors"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// Start starts cmd as its own Start does, for whoever waits for its death without a
// thread (Process.Died). The Process is closed and cmd.Wait called by the caller. A
// program does not inherit what Spare has changed; one that forks twice at once, and
// is in no cgroup of its own, may leave a process that does.
func Start(cmd *exec.Cmd) (*Process, error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	pid := cmd.Process.Pid
	// One of our own: that of package os is not to be had.
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, abort(cmd, os.NewSyscallError("pidfd_open", err))
	}
	p, err := hold(pid, pidfd)
	if err == nil {
		err = exposeTree(pid)
	}
	if err != nil {
		return nil, errors.Join(abort(cmd, err), p.Close())
	}
	return p, nil
}

// abort ends a program that cannot be held, and returns why.
func abort(cmd *exec.Cmd, why error) error {
	_ = cmd.Process.Signal(syscall.SIGKILL)
	_ = cmd.Wait()
	return why
}

// Run runs cmd as its own Run does.
func Run(cmd *exec.Cmd) error {
	p, err := Start(cmd)
	if err != nil {
		return err
	}
	defer p.Close()
	_, died := p.Died()
	if err := cmd.Wait(); err != nil {
		return err
	}
	return died
}
