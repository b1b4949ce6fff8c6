package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// guardName is the name under which this program is started to restore a terminal after
// the death of the process that has changed it.
const guardName = "emperor-terminal"

// rawTerminal has the terminal of standard input pass each key on as it is, until restore
// is called or this process dies, by a signal too: a process of its own waits for that.
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
		_, err = out.Read(make([]byte, 1)) // it has seen how the terminal is
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

// guardTerminal is that process. Its standard input is the terminal; a pipe is closed by
// the end of the process that it watches.
func guardTerminal() int {
	signal.Ignore(unix.SIGTTOU, unix.SIGINT, unix.SIGQUIT, unix.SIGHUP, unix.SIGTERM, unix.SIGTSTP) //nolint:forbidigo // it starts no program
	before, err := term.GetState(0)
	if err != nil {
		return exitFailed
	}
	if _, err := os.Stdout.Write([]byte{1}); err != nil {
		return exitFailed
	}
	_, _ = os.NewFile(3, "end").Read(make([]byte, 1))
	if stillRaw() && term.Restore(0, before) != nil {
		return exitFailed
	}
	return 0
}

// stillRaw reports whether the terminal is as MakeRaw has made it: a shell that has seen
// the end may have set it for itself.
func stillRaw() bool {
	now, err := unix.IoctlGetTermios(0, unix.TCGETS)
	return err == nil && now.Lflag&(unix.ICANON|unix.ISIG|unix.ECHO) == 0
}
