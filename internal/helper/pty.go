package helper

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/endpoint"
	"github.com/emperor-go/emperor/internal/goprocs"
	"github.com/emperor-go/emperor/internal/libexec"
	"github.com/emperor-go/emperor/internal/ptmx"
	"github.com/emperor-go/emperor/internal/pty"
	"github.com/emperor-go/emperor/internal/terminal"
	"github.com/emperor-go/emperor/internal/termlog"
)

// stderr is standard error, to which the terminal's output goes as well (pty-log).
var stderr = termlog.Own()

func complain(err error) { fmt.Fprintln(stderr, libexec.Helper+":", err) }

// terminalOf shares a terminal, or is a client of one.
func terminalOf(args []string) (code int) {
	debug.SetGCPercent(50)
	var err error
	switch {
	case len(args) == 2 && args[0] == "--connect":
		err = connect(args[1])
	case len(args) == 1 && args[0] == "--connected": // emperor attach, on descriptor 3
		err = showConnected()
	case args[0] == pty.ServeFlag:
		err = serve(args[1:])
	default:
		return misused()
	}
	if err != nil {
		complain(err)
		code = exitFailed
	}
	stderr.Flush(termlog.LastWords)
	return code
}

func showConnected() error {
	conn, err := net.FileConn(os.NewFile(3, "connection"))
	if err != nil {
		return fmt.Errorf("cannot attach: %w", err)
	}
	return show(conn)
}

func connect(text string) error {
	conn, err := endpoint.Dial(text, 0)
	if err != nil {
		return fmt.Errorf("cannot attach: %w", err)
	}
	return show(conn)
}

// show is the client on a connection.
func show(conn net.Conn) error {
	// A killed emperor attach cannot end this process, and two processes would read its
	// terminal. It waits on the thread that has started this process.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGHUP), 0, 0, 0); err != nil {
		return err
	}
	return terminal.Connect(conn, os.Stdin, os.Stdout)
}

// serve runs for the master, with the descriptors of package pty. It ends with the master, or
// with the program that the master executes.
func serve(args []string) error {
	termlog.OutliveReader()
	o := pty.ParseArgs(args)
	goprocs.Started() // on one processor or not, this program needs no more
	l, err := net.FileListener(os.NewFile(pty.SocketFD, "pty-socket"))
	if err != nil {
		return err
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // the path belongs to the master
	}
	conn, err := net.FileConn(os.NewFile(pty.ControlFD, "pty-control"))
	if err != nil {
		return err
	}
	control := conn.(*net.UnixConn)
	for _, fd := range []int{pty.SocketFD, pty.ControlFD} { // both were duplicated
		_ = unix.Close(fd)
	}
	if len(o.Exec) > 0 {
		go awaitMaster(control, l)
		return serveProgram(l, o)
	}
	hub := terminal.NewHub(logOf(o))
	defer hub.Close()
	furnish(hub, o)
	go hub.Accept(l)
	return serveWorkers(hub, control, l, o)
}

// serveWorkers shows the terminals of the workers that the master starts, one after the other.
func serveWorkers(hub *terminal.Hub, control *net.UnixConn, l net.Listener, o pty.Options) error {
	var workers sync.WaitGroup
	for {
		tty, worker, err := pty.Take(control)
		if err != nil {
			_ = l.Close() // later clients are for the next master
			ended := make(chan struct{})
			go func() { workers.Wait(); close(ended) }()
			select {
			case <-ended:
			case <-time.After(openTerminalWait):
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if o.NoISig {
			if err := ptmx.NoISig(tty); err != nil {
				complain(err)
			}
		}
		ended, end := hub.Show(tty)
		workers.Go(func() {
			defer worker.Close()
			died := make(chan struct{})
			go func() { awaitDeath(worker); close(died) }()
			select {
			case <-ended:
				return
			case <-died:
			}
			select {
			case <-ended:
			case <-time.After(openTerminalWait):
				end() // another process has it open
			}
		})
	}
}

// logOf returns the destination of terminal output, in addition to the clients.
func logOf(o pty.Options) io.Writer {
	if o.Log {
		return stderr
	}
	return io.Discard
}

// furnish types standard input into the terminal, if the options require that.
func furnish(hub *terminal.Hub, o pty.Options) {
	if o.Input {
		go func() { _, _ = io.Copy(typist{hub}, os.Stdin) }()
	}
}

type typist struct{ hub *terminal.Hub }

func (t typist) Write(keys []byte) (int, error) {
	t.hub.Type(keys)
	return len(keys), nil
}

// serveProgram runs a program for the first client; clients that connect while it runs share
// it.
func serveProgram(l net.Listener, o pty.Options) error {
	var first net.Conn
	for {
		var err error
		if first == nil {
			first, err = l.Accept()
		}
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return err
		}
		if first, err = runProgram(l, first, o); err != nil {
			complain(err)
		}
	}
}

// runProgram returns the client that connected after the end of the program, or nil.
func runProgram(l net.Listener, first net.Conn, o pty.Options) (next net.Conn, err error) {
	cmd, master, err := startProgram(o)
	if err != nil {
		first.Close()
		return nil, err
	}
	hub := terminal.NewHub(logOf(o))
	furnish(hub, o)
	over, end := hub.Show(master)
	hub.Attach(first)
	dead, accepted := make(chan struct{}), make(chan net.Conn)
	go func() { accepted <- acceptUntil(dead, l, hub) }()
	err = cmd.Wait()
	close(dead)
	_ = l.(deadliner).SetDeadline(time.Unix(1, 0))
	next = <-accepted
	_ = l.(deadliner).SetDeadline(time.Time{})
	select {
	case <-over:
	case <-time.After(openTerminalWait):
		end() // a process that it left behind has the terminal open
	}
	hub.Close()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = nil
	}
	return next, err
}

// startProgram starts it on a terminal, and returns the master's side.
func startProgram(o pty.Options) (*exec.Cmd, *os.File, error) {
	master, slave, err := ptmx.Open()
	if err != nil {
		return nil, nil, err
	}
	defer slave.Close()
	cmd := exec.Command(o.Exec[0], o.Exec[1:]...)
	cmd.Env = termlog.Without(os.Environ())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if o.NoISig {
		err = ptmx.NoISig(master)
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		master.Close()
		return nil, nil, err
	}
	return cmd, master, nil
}

// acceptUntil attaches clients, and returns the client that connected after the program's
// death, or nil.
func acceptUntil(dead <-chan struct{}, l net.Listener, hub *terminal.Hub) net.Conn {
	for {
		conn, err := l.Accept()
		if err != nil {
			return nil
		}
		select {
		case <-dead:
			return conn
		default:
			hub.Attach(conn)
		}
	}
}

// deadliner is a listener of package net.
type deadliner interface{ SetDeadline(t time.Time) error }

// openTerminalWait is how long a terminal outlives its worker when another process still has it open.
const openTerminalWait = 2 * time.Second

// awaitDeath waits for the end of a process, given by a pidfd that does not block.
func awaitDeath(process *os.File) {
	raw, err := process.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) bool {
		polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(polled, 0)
		return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
	})
}

// awaitMaster ends this process with the master. Later clients are for the next one.
func awaitMaster(control *net.UnixConn, l net.Listener) {
	_, _ = control.Read(make([]byte, 1))
	_ = l.Close()
	<-time.After(openTerminalWait)
	stderr.Flush(termlog.LastWords)
	os.Exit(0)
}
