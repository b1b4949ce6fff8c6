package vassal

import (
	"context"
	"io/fs"
	"os"
	"syscall"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/libexec"
	"github.com/emperor-go/emperor/internal/pty"
	"github.com/emperor-go/emperor/internal/sockets"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/vassal/workers"
)

// terminalMode is the mode of a pty-socket with a path: a client that may connect can type.
const terminalMode fs.FileMode = 0o600

// terminalSocket is the socket where clients of the terminal connect. It is not one of those
// that workers get, and stays the same through all reloads.
type terminalSocket struct {
	socket  *sockets.Socket // nil: none
	at      string          // its address; for a path the absolute one
	program string          // the path of vassal-helper, which shares the terminal
}

func (t *terminalSocket) close() {
	if t.socket != nil {
		closeAll([]*sockets.Socket{t.socket})
	}
}

// bindTerminal makes the socket of the terminal.
func (l *listeners) bindTerminal(_ context.Context, o *config.Vassal) error {
	t := o.Terminal
	if t.Socket == "" {
		return nil
	}
	mode := terminalMode
	s, err := sockets.Listen("pty-socket", t.Socket, sockets.Options{Backlog: 16, Mode: &mode, UID: -1, GID: -1})
	if err != nil {
		return o.Blame("pty-socket", "", err)
	}
	l.terminal.socket, l.terminal.at = s, t.Socket
	if dir, err := os.Getwd(); err == nil { // clients have other working directories
		l.terminal.at = address.In(dir, t.Socket)
	}
	l.log.Info("listening", s.Name, s.Address)
	return nil
}

// of returns the terminal of the first worker under the given options; nil: it has none.
func (t *terminalSocket) of(o *config.Vassal) *workers.Terminal {
	if t.socket == nil {
		return nil
	}
	c := o.Terminal
	return &workers.Terminal{
		Path: t.program, Socket: t.socket,
		Options: pty.Options{At: t.at, Log: c.Log, Input: c.Input, NoISig: c.NoISig, Exec: c.Exec},
	}
}

// attach executes the client of the terminal at an address in place of this process. It returns
// only when it cannot.
func attach(address string) error {
	path, err := libexec.Find(libexec.Helper)
	if err != nil {
		return err
	}
	return syscall.Exec(path, []string{libexec.Helper, libexec.PTY, "--connect", address}, os.Environ())
}
