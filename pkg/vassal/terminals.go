package vassal

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/programs"
	"github.com/emperor-go/emperor/internal/pty"
	"github.com/emperor-go/emperor/internal/sockets"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/vassal/workers"
)

// ptyName is the program that shares a terminal.
const ptyName = "vassal-pty"

// terminalMode is the mode of a pty-socket with a path: a client that may connect can type.
const terminalMode fs.FileMode = 0o600

// findTerminal looks for the program that shares the terminal while it can be
// found: as Programs does, before any privileges are gone.
func (v *Vassal) findTerminal(context.Context) (err error) {
	if v.options.Terminal.Socket != "" {
		v.ptyProgram, err = beside(ptyName)
	}
	return err
}

// beside is the path of a program of ours, which whoever this process becomes can
// execute.
func beside(name string) (string, error) {
	own, err := os.Executable()
	if err != nil {
		return "", err
	}
	path := filepath.Join(filepath.Dir(own), name)
	if _, err := os.Stat(path); err != nil {
		return programs.Find(name)
	}
	if forAll(path) {
		return path, nil
	}
	return hold(path)
}

// bindTerminal makes the socket where clients of the terminal come. It is not one
// of those that workers get, and stays the same through all reloads.
func (v *Vassal) bindTerminal(context.Context) error {
	t := v.options.Terminal
	if t.Socket == "" {
		return nil
	}
	mode := terminalMode
	s, err := sockets.Listen("pty-socket", t.Socket, sockets.Options{Backlog: 16, Mode: &mode, UID: -1, GID: -1})
	if err != nil {
		return v.options.Blame("pty-socket", "", err)
	}
	v.terminal, v.terminalAt = s, t.Socket
	if !strings.Contains(t.Socket, ":") || strings.HasPrefix(t.Socket, ".") { // a path; clients stand elsewhere
		if path, err := filepath.Abs(t.Socket); err == nil && address.InFiles(t.Socket) {
			v.terminalAt = path
		}
	}
	v.Log.Info("listening", s.Name, s.Address)
	return nil
}

// terminalOf is what the first worker runs on.
func (v *Vassal) terminalOf(o *config.Vassal) *workers.Terminal {
	if v.terminal == nil {
		return nil
	}
	t := o.Terminal
	return &workers.Terminal{
		Path: v.ptyProgram, Socket: v.terminal,
		Options: pty.Options{At: v.terminalAt, Log: t.Log, Input: t.Input, NoISig: t.NoISig, Exec: t.Exec},
	}
}

// Attach becomes the client of the terminal at an address. It returns only if it
// cannot.
func Attach(address string) error {
	path, err := beside(ptyName)
	if err != nil {
		return err
	}
	return syscall.Exec(path, []string{ptyName, "--connect", address}, os.Environ())
}
