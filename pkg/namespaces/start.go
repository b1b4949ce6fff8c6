package namespaces

import (
	"errors"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// Start starts cmd as its own Start does, for callers that wait for its death without a thread
// (Process.Died). The caller closes the Process and calls cmd.Wait. The program does not
// inherit the oom_score_adj of Spare.
func Start(cmd *exec.Cmd) (*Process, error) {
	if err := unspared(cmd.Start); err != nil {
		return nil, err
	}
	pid := cmd.Process.Pid
	// A pidfd of our own: package os does not give out its one.
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, abort(cmd, os.NewSyscallError("pidfd_open", err))
	}
	p, err := hold(pid, pidfd)
	if err != nil {
		return nil, errors.Join(abort(cmd, err), p.Close())
	}
	return p, nil
}

// abort kills a program that cannot be held, and returns why.
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
