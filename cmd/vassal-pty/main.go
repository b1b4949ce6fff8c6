// Command vassal-pty shares the pseudoterminal of a vassal's first worker, which
// starts it for that, and is its client: vassal-pty --connect ADDRESS.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/vassal/pty"
	"github.com/emperor-go/emperor/pkg/vassal/terminal"
)

const usage = `Usage: vassal-pty --connect ADDRESS

Attaches to the terminal of a vassal: ADDRESS is its pty-socket.
`

func main() {
	debug.SetGCPercent(50)
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "vassal-pty:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "--connect":
		return connect(args[1])
	case len(args) > 0 && args[0] == pty.ServeFlag:
		return serve(args[1:])
	case len(args) == 1 && args[0] == "--help":
		fmt.Print(usage)
		return nil
	}
	fmt.Fprint(os.Stderr, usage)
	os.Exit(2)
	return nil
}

func connect(address string) error {
	network := "unix"
	if strings.Contains(address, ":") && !strings.ContainsAny(address[:1], "/@.") {
		network = "tcp"
	}
	conn, err := net.Dial(network, address)
	if err != nil {
		return fmt.Errorf("cannot attach: %w", err)
	}
	return terminal.Connect(conn, os.Stdin, os.Stdout)
}

// serve is what the master starts, with the descriptors of package pty.
func serve(args []string) error {
	o := pty.ParseArgs(args)
	l, err := net.FileListener(os.NewFile(pty.SocketFD, "pty-socket"))
	if err != nil {
		return err
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // the master's
	}
	for _, fd := range []int{pty.SocketFD, pty.WorkerFD, pty.MasterFD} {
		unix.CloseOnExec(fd)
	}
	go awaitDeath(pty.WorkerFD, l)
	if len(o.Exec) > 0 {
		return serveProgram(l, o)
	}
	master := os.NewFile(pty.MasterFD, "pty")
	if o.NoISig {
		if err := pty.NoISig(master); err != nil {
			return err
		}
	}
	hub := terminal.NewHub(master)
	furnish(hub, o)
	go hub.Accept(l)
	hub.Run(logOf(o))
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func logOf(o pty.Options) io.Writer {
	if o.Log {
		return os.Stderr
	}
	return nil
}

// furnish types what comes on standard input, if that is wanted.
func furnish(hub *terminal.Hub, o pty.Options) {
	if o.Input {
		go func() { _, _ = io.Copy(typist{hub}, os.Stdin) }()
	}
}

type typist struct{ hub *terminal.Hub }

func (t typist) Write(keys []byte) (int, error) { return len(keys), t.hub.Type(keys) }

// serveProgram runs a program for whoever connects first, and those who come while
// it runs see the same one.
func serveProgram(l net.Listener, o pty.Options) error {
	for {
		first, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return err
		}
		if err := runProgram(l, first, o); err != nil {
			fmt.Fprintln(os.Stderr, "vassal-pty:", err)
		}
	}
}

func runProgram(l net.Listener, first net.Conn, o pty.Options) error {
	master, slave, err := pty.Open()
	if err != nil {
		first.Close()
		return err
	}
	if o.NoISig {
		if err := pty.NoISig(master); err != nil {
			return err
		}
	}
	cmd := exec.Command(o.Exec[0], o.Exec[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = cmd.Start()
	slave.Close()
	if err != nil {
		first.Close()
		master.Close()
		return err
	}
	hub := terminal.NewHub(master)
	furnish(hub, o)
	hub.Attach(first)
	over := make(chan struct{})
	accepted := make(chan struct{})
	go func() {
		defer close(accepted)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			hub.Attach(conn)
		}
	}()
	go func() { hub.Run(logOf(o)); close(over) }()
	err = cmd.Wait()
	<-over
	_ = l.(deadliner).SetDeadline(time.Unix(1, 0))
	<-accepted
	_ = l.(deadliner).SetDeadline(time.Time{})
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}

// deadliner is a listener of package net.
type deadliner interface{ SetDeadline(t time.Time) error }

// lastWords is how long this process outlives a worker whose terminal somebody else
// still has open, or whose last words take their time.
const lastWords = 2 * time.Second

// awaitDeath ends this process with the worker that it is for. Whoever comes after
// its death is for the next one.
func awaitDeath(pidfd int, l net.Listener) {
	for {
		fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
		if n, err := unix.Poll(fds, -1); n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			break
		}
	}
	_ = l.Close()
	<-time.After(lastWords)
	os.Exit(0)
}
