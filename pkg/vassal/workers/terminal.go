package workers

import (
	"fmt"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/goprocs"
	"github.com/emperor-go/emperor/internal/libexec"
	"github.com/emperor-go/emperor/internal/ptmx"
	"github.com/emperor-go/emperor/internal/pty"
	"github.com/emperor-go/emperor/internal/termlog"
)

// screen makes a terminal for a worker, passes it as its standard input and output, and returns
// the master's side. Nil: the worker has no terminal, or its terminal belongs to another program
// (pty-exec).
func (c *child) screen(s Spec) (*os.File, error) {
	if s.Terminal == nil || len(s.Terminal.Options.Exec) > 0 {
		return nil, nil
	}
	other, tty, err := ptmx.Open()
	if err != nil {
		return nil, err
	}
	c.close = append(c.close, other)
	for i := range 3 {
		if i > 0 || !s.Program.Stdin { // keep a socket that is standard input
			c.files[i] = tty.Fd()
		}
	}
	c.close = append(c.close, tty)
	return other, nil
}

// share lets clients attach to the terminal of a worker. vassal-helper, which serves the clients,
// starts with the first worker, outlives it, and gets the terminal of the next one.
func (p *Processes) share(s Spec, worker int, screen *os.File) error {
	if p.sharing != nil && screen == nil { // the helper runs a program for its clients (pty-exec)
		if slices.Equal(p.sharing.env, s.Env) && p.sharing.dir == s.Dir {
			return nil
		}
		p.sharing.end()
		p.sharing = nil
	}
	if p.sharing == nil {
		if err := p.startSharing(s); err != nil {
			return fmt.Errorf("cannot share the terminal: %w", err)
		}
	}
	if screen == nil {
		return nil
	}
	held, err := unix.PidfdOpen(worker, unix.PIDFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("cannot share the terminal: %w", err)
	}
	defer unix.Close(held)
	return pty.Give(p.sharing.control, screen, held)
}

// sharing is a running vassal-helper that shares terminals.
type sharing struct {
	pid     int
	control *os.File
	env     []string
	dir     string
}

// end closes the control socket, which ends the program.
func (s *sharing) end() { s.control.Close() }

func (p *Processes) startSharing(s Spec) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	ours, theirs, err := pty.Control()
	if err != nil {
		return err
	}
	defer theirs.Close()
	t := s.Terminal
	files := []uintptr{null.Fd(), 1, 2, t.Socket.FD(), theirs.Fd()}
	if t.Options.Input {
		files[0] = 0
	}
	pid, err := start(t.Path, append([]string{libexec.Helper, libexec.PTY}, t.Options.Args()...), &syscall.ProcAttr{
		Env: termlog.Pass(goprocs.Idle(s.Env)), Dir: s.Dir, Files: files,
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		ours.Close()
		return err
	}
	p.lead(pid, &leader{})
	p.sharing = &sharing{pid, ours, s.Env, s.Dir}
	return nil
}
