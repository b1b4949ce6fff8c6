// Package pty makes pseudoterminals, and is what the master and the program that
// shares one say to each other. It is small: the master links it.
package pty

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ServeFlag is the first argument of the program that shares a terminal. The
// descriptors are what it is given beside stdio.
const (
	ServeFlag = "--serve"

	SocketFD = 3 // listens
	WorkerFD = 4 // a pidfd of the worker, whose end is its end
	MasterFD = 5 // the terminal; without Exec only
)

// Options say how a terminal is shared; their meaning is that of config.Terminal.
type Options struct {
	Log, Input, NoISig bool
	Exec               []string
}

// Args is the command line for the options, with the name of the program.
func (o Options) Args(name string) []string {
	args := []string{name, ServeFlag}
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

// Open makes a terminal. The caller closes both sides; the master's does not block
// and neither is inherited. The other side is opened without a path: there need be
// no /dev/pts that shows it (ioctl_tty(2), TIOCGPTPEER).
func Open() (master, slave *os.File, err error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make a terminal: %w", err)
	}
	err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	peer, _, no := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if err == nil && no != 0 {
		err = no
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, nil, fmt.Errorf("cannot make a terminal: %w", err)
	}
	return os.NewFile(uintptr(fd), "pty"), os.NewFile(peer, "tty"), nil
}

// NoISig keeps keys such as Ctrl-C from making signals.
func NoISig(terminal *os.File) error {
	raw, err := terminal.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		var t *unix.Termios
		if t, failed = unix.IoctlGetTermios(int(fd), unix.TCGETS); failed == nil {
			t.Lflag &^= unix.ISIG
			failed = unix.IoctlSetTermios(int(fd), unix.TCSETS, t)
		}
	})
	if err == nil {
		err = failed
	}
	return err
}
