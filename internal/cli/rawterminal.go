package cli

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// guardName is the process name of the second process of rawTerminal.
const guardName = "emperor-terminal"

// rawTerminal makes the terminal of standard input deliver each key, until restore is called or
// this process dies, even by SIGKILL: a second process waits for its death and restores the
// terminal.
func rawTerminal() (restore func(), err error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	guard := exec.Command("/proc/self/exe")
	guard.Args = []string{guardName}
	guard.Stdin, guard.ExtraFiles = os.Stdin, []*os.File{read}
	out, err := guard.StdoutPipe()
	if err == nil {
		err = guard.Start()
	}
	if err == nil {
		_, err = out.Read(make([]byte, 1)) // the second process has read the terminal's settings
	}
	var before *term.State
	if err == nil {
		before, err = term.MakeRaw(0)
	}
	if err != nil {
		write.Close()
		_ = guard.Wait()
		return nil, fmt.Errorf("cannot use this terminal: %w", err)
	}
	return func() {
		_ = term.Restore(0, before)
		write.Close()
		_ = guard.Wait()
	}, nil
}

// guardTerminal is the second process of rawTerminal. Its standard input is the terminal. When
// the watched process dies, the kernel closes a pipe.
func guardTerminal() int {
	signal.Ignore(unix.SIGTTOU, unix.SIGINT, unix.SIGQUIT, unix.SIGHUP, unix.SIGTERM, unix.SIGTSTP) //nolint:forbidigo // it starts no program
	before, err := term.GetState(0)
	if err != nil {
		return ExitFailed
	}
	if _, err := os.Stdout.Write([]byte{1}); err != nil {
		return ExitFailed
	}
	_, _ = os.NewFile(3, "end").Read(make([]byte, 1))
	if stillRaw() && term.Restore(0, before) != nil {
		return ExitFailed
	}
	return 0
}

// stillRaw reports whether the terminal has the settings of MakeRaw. A shell that has noticed the
// death may have changed them already.
func stillRaw() bool {
	now, err := unix.IoctlGetTermios(0, unix.TCGETS)
	return err == nil && now.Lflag&(unix.ICANON|unix.ISIG|unix.ECHO) == 0
}
