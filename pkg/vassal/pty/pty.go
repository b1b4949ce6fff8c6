// Package pty is what the master and the program that shares a pseudoterminal say to
// each other. It is small: the master links it.
package pty

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// ServeFlag is the first argument of the program that shares terminals. The
// descriptors are what it is given beside stdio.
const (
	ServeFlag = "--serve"

	SocketFD  = 3 // listens
	ControlFD = 4 // tells of each worker (Give), and of the end by its own
)

const atFlag = "--at="

// Options say how a terminal is shared; their meaning is that of config.Terminal.
type Options struct {
	// At is where clients come, for those who look at the command line.
	At                 string
	Log, Input, NoISig bool
	Exec               []string
}

// Args is the command line for the options, with the name of the program.
func (o Options) Args(name string) []string {
	args := []string{name, ServeFlag}
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

// ParseArgs reads what Args has made, behind ServeFlag.
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

// Control makes both ends of what the program is told by. The caller closes them;
// neither is inherited.
func Control() (ours, theirs *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot share a terminal: %w", err)
	}
	return os.NewFile(uintptr(pair[0]), "pty-control"), os.NewFile(uintptr(pair[1]), "pty-control"), nil
}

// Give tells of a worker: its terminal and a pidfd, whose end is that of the terminal.
// The caller keeps its own. It does not block.
func Give(control, terminal *os.File, worker int) error {
	rights := unix.UnixRights(int(terminal.Fd()), worker)
	if err := unix.Sendmsg(int(control.Fd()), []byte{1}, rights, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT); err != nil {
		return fmt.Errorf("cannot share a terminal: %w", err)
	}
	return nil
}

// Take waits for the next worker, whose descriptors are the caller's. The end is
// io.EOF.
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
		_ = unix.SetNonblock(fd, true) // else an end could not interrupt who reads
	}
	return os.NewFile(uintptr(fds[0]), "pty"), os.NewFile(uintptr(fds[1]), "worker"), nil
}
