package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/control"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// enterCommand runs a program in the namespaces of a vassal.
func enterCommand() *cobra.Command {
	c := operate(&cobra.Command{
		Use: "enter NAME [CMD ARGS…]", Short: "run a shell or a program in a vassal's namespaces", Args: cobra.MinimumNArgs(1),
		Long: "Runs a shell, or CMD, in the namespaces and the root directory of a vassal's first process, as the user who asks.\n" +
			"It ends with the exit status of what was run.",
	}, func(ctx context.Context, o *operator, _ *cobra.Command, args []string) error {
		pidfd, pid, err := o.hold(ctx, args[0])
		if err != nil {
			return err
		}
		defer unix.Close(pidfd)
		command := args[1:]
		if len(command) == 0 {
			command = []string{"/bin/sh"}
		}
		return enter(pidfd, pid, command)
	})
	c.Flags().SetInterspersed(false)
	_ = c.Flags().MarkHidden("json")
	return c
}

// hold opens a pidfd of a vassal's first process.
func (o *operator) hold(ctx context.Context, name string) (pidfd, pid int, err error) {
	look := func() (emperor.Record, error) {
		var s control.Status
		err := o.get(ctx, of(name, ""), &s)
		return s.Record, err
	}
	record, err := look()
	if err != nil {
		return -1, 0, err
	}
	pidfd, record, err = control.Hold(record, look)
	return pidfd, record.PID, err
}

// enter runs a command in the namespaces of the process that pidfd means. It is
// started by a thread that has joined them and is thrown away afterwards: this
// process stays where it is.
func enter(pidfd, pid int, command []string) error {
	flags, err := namespaces.Differing(pid)
	if err != nil {
		return err
	}
	if flags.Has(namespaces.NewUser) { // no thread of a Go program can enter one (setns(2))
		return nsenter(pidfd, pid, flags, command)
	}
	// Interrupts are for the command; it shares our terminal.
	signal.Ignore(os.Interrupt, syscall.SIGQUIT)
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked
		ended <- func() error {
			root, err := os.Open(fmt.Sprintf("/proc/%d/root", pid))
			if err != nil {
				return fmt.Errorf("cannot open its root directory: %w", err)
			}
			defer root.Close()
			// Only a process that is not reaped can be signalled: what was opened is its.
			if err := unix.PidfdSendSignal(pidfd, 0, nil, 0); err != nil {
				return fmt.Errorf("cannot enter process %d: %w", pid, err)
			}
			return within(root, pidfd, int(flags), command)
		}()
	}()
	return status(<-ended)
}

// within joins and starts, on a locked thread.
func within(root *os.File, pidfd, flags int, command []string) error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("cannot enter: %w", err)
	}
	if flags != 0 {
		if err := unix.Setns(pidfd, flags); err != nil {
			return fmt.Errorf("cannot enter its namespaces: %w", err)
		}
	}
	if err := unix.Fchdir(int(root.Fd())); err != nil {
		return fmt.Errorf("cannot enter its root directory: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("cannot enter its root directory: %w", err)
	}
	return onOurTerminal(exec.Command(command[0], command[1:]...))
}

// onOurTerminal runs a command in our place: what is to end us ends it, and then us.
func onOurTerminal(cmd *exec.Cmd) error {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			_ = cmd.Process.Signal(s)
		case err := <-ended:
			return err
		}
	}
}

// status ends a command with the exit status of another.
func status(err error) error {
	var x *exec.ExitError
	if !errors.As(err, &x) {
		return err
	}
	code := x.ExitCode()
	if w, ok := x.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		code = 128 + int(w.Signal())
	}
	return failure{errQuiet, code}
}

// errQuiet is an error of which everything has been said.
var errQuiet = errors.New("")

// kinds are those of namespaces: each with its entry in /proc/PID/ns and the option
// of nsenter(1).
var kinds = []struct {
	flag          namespaces.Flags
	entry, option string
}{
	{namespaces.NewUser, "user", "user"},
	{namespaces.NewCgroup, "cgroup", "cgroup"},
	{namespaces.NewIPC, "ipc", "ipc"},
	{namespaces.NewUTS, "uts", "uts"},
	{namespaces.NewNet, "net", "net"},
	{namespaces.NewPID, "pid", "pid"},
	{namespaces.NewMount, "mnt", "mount"},
	{namespaces.NewTime, "time", "time"},
}

// nsenter has util-linux enter, for a process in a user namespace. It is told by
// descriptors, which mean that process and no other.
func nsenter(pidfd, pid int, flags namespaces.Flags, command []string) error {
	program, err := exec.LookPath("nsenter")
	if err != nil {
		return fmt.Errorf("cannot enter a user namespace: %w", err)
	}
	cmd := exec.Command(program, "--preserve-credentials")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // what it starts can tell by its death that we are dead
	defer func() {
		for _, f := range cmd.ExtraFiles {
			f.Close()
		}
	}()
	hold := func(option, path string) error {
		f, err := os.Open(fmt.Sprintf("/proc/%d/%s", pid, path))
		if err != nil {
			return fmt.Errorf("cannot enter process %d: %w", pid, err)
		}
		cmd.Args = append(cmd.Args, fmt.Sprintf("--%s=/proc/self/fd/%d", option, 3+len(cmd.ExtraFiles)))
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
		return nil
	}
	theirs, err := os.Stat(fmt.Sprintf("/proc/%d/ns/time", pid)) // which only a program of one thread can enter
	if ours, fail := os.Stat("/proc/self/ns/time"); err == nil && fail == nil && !os.SameFile(theirs, ours) {
		flags |= namespaces.NewTime
	}
	for _, k := range kinds {
		if !flags.Has(k.flag) {
			continue
		}
		if err := hold(k.option, "ns/"+k.entry); err != nil {
			return err
		}
	}
	if err := errors.Join(hold("root", "root"), hold("wd", "root")); err != nil {
		return err
	}
	// Only a process that is not reaped can be signalled: what was opened is its.
	if err := unix.PidfdSendSignal(pidfd, 0, nil, 0); err != nil {
		return fmt.Errorf("cannot enter process %d: %w", pid, err)
	}
	cmd.Args = append(append(cmd.Args, "--"), command...)
	return status(onOurTerminal(cmd))
}
