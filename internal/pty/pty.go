// Package pty defines the messages between the master and vassal-helper, which shares a
// pseudoterminal. It is small, because the master links it.
package pty

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// ServeFlag begins the command line of Args. The descriptors are
// its own, in addition to stdio.
const (
	ServeFlag = "--serve"

	SocketFD  = 3 // listens for clients
	ControlFD = 4 // receives each worker (Give); its end ends the program
)

const atFlag = "--at="

// Options of a shared terminal, with the meaning of config.Terminal.
type Options struct {
	// At is the address for clients, shown in the command line.
	At                 string
	Log, Input, NoISig bool
	Exec               []string
}

// Args returns the command line for the options, after the first argument of vassal-helper.
func (o Options) Args() []string {
	args := []string{ServeFlag}
	if o.At != "" {
		args = append(args, atFlag+o.At)
	}
	for _, f := range o.flags() {
		if *f.set {
			args = append(args, f.name)
		}
	}
	if len(o.Exec) > 0 {
		args = append(append(args, "--"), o.Exec...)
	}
	return args
}

// ParseArgs parses the result of Args after ServeFlag.
func ParseArgs(args []string) (o Options) {
	for i, a := range args {
		if a == "--" {
			o.Exec = args[i+1:]
			break
		}
		if at, ok := strings.CutPrefix(a, atFlag); ok {
			o.At = at
		}
		for _, f := range o.flags() {
			if f.name == a {
				*f.set = true
			}
		}
	}
	return o
}

type flag struct {
	name string
	set  *bool
}

func (o *Options) flags() []flag {
	return []flag{{"--log", &o.Log}, {"--input", &o.Input}, {"--no-isig", &o.NoISig}}
}

// Control makes both ends of the control socket. The caller closes them; neither is inherited.
func Control() (ours, theirs *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot share a terminal: %w", err)
	}
	return os.NewFile(uintptr(pair[0]), "pty-control"), os.NewFile(uintptr(pair[1]), "pty-control"), nil
}

// Give sends a worker: its terminal and its pidfd. The terminal ends when the worker does. The
// caller keeps its own descriptors. Give does not block.
func Give(control, terminal *os.File, worker int) error {
	rights := unix.UnixRights(int(terminal.Fd()), worker)
	if err := unix.Sendmsg(int(control.Fd()), []byte{1}, rights, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT); err != nil {
		return fmt.Errorf("cannot share a terminal: %w", err)
	}
	return nil
}

// Take waits for the next worker. The caller owns its descriptors. At the end of the channel
// it returns io.EOF.
func Take(control *net.UnixConn) (terminal, worker *os.File, err error) {
	data, room := make([]byte, 1), make([]byte, unix.CmsgSpace(2*4))
	n, size, _, _, err := control.ReadMsgUnix(data, room)
	if err != nil {
		return nil, nil, err
	}
	if n == 0 {
		return nil, nil, io.EOF
	}
	messages, err := unix.ParseSocketControlMessage(room[:size])
	var fds []int
	if err == nil && len(messages) == 1 {
		fds, err = unix.ParseUnixRights(&messages[0])
	}
	if err != nil {
		return nil, nil, fmt.Errorf("cannot take a terminal: %w", err)
	}
	if len(fds) != 2 {
		return nil, nil, fmt.Errorf("cannot take a terminal: there are %d descriptors, not two", len(fds))
	}
	for _, fd := range fds {
		_ = unix.SetNonblock(fd, true) // otherwise an end could not interrupt the reader
	}
	return os.NewFile(uintptr(fds[0]), "pty"), os.NewFile(uintptr(fds[1]), "worker"), nil
}
