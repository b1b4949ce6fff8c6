package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/endpoint"
	"github.com/emperor-go/emperor/internal/outset"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// errand is a task for a helper process in a vassal. Texts are bytes, because JSON would change
// text that is not UTF-8.
type errand struct {
	// Command is run with the environment Env. With Terminal its standard input is the
	// controlling terminal of its session.
	Command, Env [][]byte
	Terminal     bool
	// Address, when set, replaces Command: the helper connects to it and sends the connection
	// back over its standard input.
	Address []byte
}

// A visitor locks the main goroutine to the first thread before the runtime starts others.
func init() {
	if namespaces.IsVisitor() {
		runtime.LockOSThread()
	}
}

// visit is the helper process. It enters the vassal, drops all rights that the vassal lacks, and
// does its errand. It returns the exit code.
func visit() int {
	outset.Conceal()
	parent := os.Getppid()
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, passed...) // from here on the program gets the signals
	var x errand
	a, err := namespaces.Arrive()
	if err == nil {
		err = a.Enter()
	}
	if err == nil { // the change of ids has cleared it
		err = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGHUP), 0, 0, 0)
	}
	if err == nil && os.Getppid() != parent {
		err = errors.New("the command has ended")
	}
	if err == nil {
		err = a.Errand(&x)
	}
	code := ExitFailed
	if err == nil && x.Address != nil {
		code, err = 0, connect(string(x.Address))
	} else if err == nil {
		code, err = x.run(parent, signals)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "emperor:", err)
		return max(code, ExitFailed)
	}
	return code
}

// run runs the command in a session of its own and returns its exit code. The command ends when
// the parent dies.
func (x errand) run(parent int, signals <-chan os.Signal) (int, error) {
	name, args, env := string(x.Command[0]), words(x.Command), words(x.Env)
	path := ""
	for _, v := range env {
		if value, ok := strings.CutPrefix(v, "PATH="); ok {
			path = value
		}
	}
	file, err := namespaces.FindProgram(name, path)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return exitNotFound, fmt.Errorf("cannot run %q: no such program", name)
	case err != nil:
		return exitNotExecutable, fmt.Errorf("cannot run %q: %w", name, err)
	}
	cmd := &exec.Cmd{Path: file, Args: args, Env: env, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: x.Terminal}
	if err := cmd.Start(); err != nil {
		return exitNotExecutable, fmt.Errorf("cannot run %q: %w", name, errors.Unwrap(err))
	}
	go func() {
		for s := range signals {
			_ = syscall.Kill(-cmd.Process.Pid, s.(syscall.Signal)) // signal.Notify delivers no other type
			if os.Getppid() != parent {
				time.AfterFunc(hangUp, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
			}
		}
	}()
	return exitCode(cmd.Wait())
}

// passed lists the signals that a command passes on to its program.
var passed = []os.Signal{unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2}

// exitCode returns the exit code of an ended program, in the form of a shell.
func exitCode(err error) (int, error) {
	var x *exec.ExitError
	if !errors.As(err, &x) {
		return 0, err
	}
	if w, ok := x.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return exitSignalled + int(w.Signal()), nil
	}
	return x.ExitCode(), nil
}

// connect connects to an address and sends the connection to the command. Only the calling thread
// is in the namespaces of the vassal.
func connect(text string) error {
	to, err := address.Parse(text)
	if err == nil {
		to, err = to.Numeric()
	}
	if err != nil {
		return err
	}
	conn, err := endpoint.Dial(to.String(), 0)
	if err != nil {
		return err
	}
	defer conn.Close()
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Control(func(fd uintptr) {
		sent = unix.Sendmsg(0, []byte{0}, unix.UnixRights(int(fd)), nil, unix.MSG_NOSIGNAL)
	})
	return errors.Join(err, sent)
}

func words(list [][]byte) []string {
	texts := make([]string, len(list))
	for i, b := range list {
		texts[i] = string(b)
	}
	return texts
}
