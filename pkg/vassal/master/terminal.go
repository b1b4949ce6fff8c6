package master

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/vassal/pty"
)

// screen puts a terminal under a worker, as its standard input and output, and
// returns the other side; nil: it has none, or another program has it.
func (c *child) screen(s Spec) (*os.File, error) {
	if s.Terminal == nil || len(s.Terminal.Options.Exec) > 0 {
		return nil, nil
	}
	other, tty, err := pty.Open()
	if err != nil {
		return nil, err
	}
	c.close = append(c.close, other)
	for i := range 3 {
		if i > 0 || !s.Program.Stdin { // else that is a socket
			c.files[i] = tty.Fd()
		}
	}
	c.close = append(c.close, tty)
	return other, nil
}

// share starts the program that clients of a terminal talk to, beside the worker.
// It ends with the worker.
func (p *Processes) share(s Spec, worker int, screen *os.File) error {
	held, err := unix.PidfdOpen(worker, 0)
	if err != nil {
		return fmt.Errorf("cannot share the terminal: %w", err)
	}
	defer unix.Close(held)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	t := s.Terminal
	files := []uintptr{null.Fd(), 1, 2, t.Socket.FD(), uintptr(held)}
	if t.Options.Input {
		files[0] = 0
	}
	if screen != nil {
		files = append(files, screen.Fd())
	}
	pid, err := syscall.ForkExec(t.Path, t.Options.Args("vassal-pty"), &syscall.ProcAttr{
		Env: append(s.Env[:len(s.Env):len(s.Env)], "GOMAXPROCS=1"), Dir: s.Dir, Files: files,
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return fmt.Errorf("cannot share the terminal: %w", err)
	}
	if p.started == nil {
		p.started = map[int]bool{}
	}
	p.started[pid] = true
	return nil
}
