package emperor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Sockets is the Activator of uWSGI's options: the ways to find the address of an
// on-demand vassal, in the order in which they are tried. The zero value makes no
// vassal one.
type Sockets struct {
	// Extension: the file NAME+Extension holds the address.
	Extension string
	// Directory: the address is the unix socket Directory/NAME.socket, NAME without
	// its extension.
	Directory string
	// Exec is a command that prints the address; NAME is its first argument.
	Exec string
	// Mode, UID and GID are those of unix sockets. UID and GID of -1: the emperor's.
	Mode     os.FileMode
	UID, GID int
}

const (
	// maxAddress bounds an address, in bytes.
	maxAddress = 4096
	// addressTimeout bounds the command that prints one.
	addressTimeout = 30 * time.Second
)

// None reports whether no vassal is on demand.
func (s Sockets) None() bool { return s.Extension == "" && s.Directory == "" && s.Exec == "" }

// Activate implements Activator.
func (s Sockets) Activate(ctx context.Context, p Plan) (Activation, error) {
	address, err := s.address(ctx, p)
	if address == "" || err != nil {
		return nil, err
	}
	a := &activation{address: address, place: Placed(address, "/")}
	if err := free(a, p); err != nil {
		return nil, err
	}
	if err := s.bind(a); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot wait for connections on %q: %w", address, cause(err)), a.Close())
	}
	return a, nil
}

// free refuses an address that the vassal binds itself.
func free(a Activation, p Plan) error {
	address := a.String()
	for _, own := range p.Places {
		if a.Meets(own) {
			return fmt.Errorf("cannot bind %q for it: its configuration binds the same address (remove it there: the vassal gets this socket)", address)
		}
	}
	return nil
}

// address finds out whether and where a vassal is on demand.
func (s Sockets) address(ctx context.Context, p Plan) (string, error) {
	if s.Extension != "" {
		text, err := readSmall(p.Path + s.Extension)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("cannot find the address of its socket: %w", err)
		}
		if address := strings.TrimSpace(text); address != "" {
			return address, nil
		}
	}
	if s.Directory != "" {
		name := filepath.Base(p.Name)
		return filepath.Join(s.Directory, strings.TrimSuffix(name, filepath.Ext(name))+".socket"), nil
	}
	if s.Exec == "" {
		return "", nil
	}
	return s.ask(ctx, p.Name)
}

// readSmall reads a file that should hold one line. It never waits for a FIFO.
func readSmall(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", errors.Join(err, fmt.Errorf("%q is not a regular file", path))
	}
	text, err := io.ReadAll(io.LimitReader(f, maxAddress))
	return string(text), err
}

// ask runs the command. The name reaches it as an argument, never as a part of
// its text.
func (s Sockets) ask(ctx context.Context, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, addressTimeout)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", s.Exec+` "$1"`, "sh", name)
	cmd.Stdout = &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("cannot find the address of its socket: %s: %w", s.Exec, err)
	}
	line, _, _ := strings.Cut(out.String(), "\n")
	return strings.TrimSpace(line[:min(len(line), maxAddress)]), nil
}

// isUnix tells a path from host:port, as uWSGI does.
func isUnix(address string) bool {
	return strings.HasPrefix(address, "/") || strings.HasPrefix(address, "@") || !strings.Contains(address, ":")
}

// bind listens. An unspecified address is of its family, and none at all is of both.
func (s Sockets) bind(a *activation) error {
	network, address := "tcp", strings.TrimPrefix(a.address, "*")
	if isUnix(a.address) {
		network, address = "unix", a.address
		removeDead(address)
	} else if host, _, err := net.SplitHostPort(address); err == nil && host != "" {
		switch ip := net.ParseIP(host); {
		case ip.To4() != nil:
			network = "tcp4"
		case ip != nil:
			network = "tcp6"
		}
	}
	l, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	defer l.Close()
	switch l := l.(type) {
	case *net.UnixListener:
		l.SetUnlinkOnClose(false)
		if a.file, err = l.File(); err == nil && !strings.HasPrefix(address, "@") {
			err = a.own(s)
		}
	case *net.TCPListener:
		a.file, err = l.File()
	}
	return err
}

// removeDead removes a unix socket that nobody listens on any more.
func removeDead(path string) {
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != os.ModeSocket {
		return
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
		return
	}
	if errors.Is(err, unix.ECONNREFUSED) {
		_ = os.Remove(path)
	}
}

// activation is a bound socket. It implements Activation.
type activation struct {
	address string
	place   Place
	file    *os.File
	inode   uint64 // of a unix socket's path, to remove only what is ours; else 0
}

// own gives the path of a unix socket its mode and owner.
func (a *activation) own(s Sockets) error {
	var st unix.Stat_t
	if err := unix.Lstat(a.address, &st); err != nil {
		return err
	}
	a.inode = st.Ino
	if err := os.Lchown(a.address, s.UID, s.GID); err != nil {
		return err
	}
	return os.Chmod(a.address, s.Mode)
}

// String implements Activation.
func (a *activation) String() string { return a.address }

// Meets implements Activation.
func (a *activation) Meets(own Place) bool { return a.place.meets(own) }

// Socket implements Activation.
func (a *activation) Socket() *os.File { return a.file }

// Wait implements Activation. The socket is watched through an epoll of its own:
// its flags are those of the description that the vassal shares, and must not
// change for our sake.
func (a *activation) Wait(ctx context.Context) error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	_ = unix.SetNonblock(fd, true)
	poll := os.NewFile(uintptr(fd), "epoll")
	defer poll.Close()
	socket, err := a.file.SyscallConn()
	if err != nil {
		return err
	}
	control := socket.Control(func(s uintptr) {
		err = unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, int(s), &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s)})
	})
	if err = errors.Join(control, err); err != nil {
		return fmt.Errorf("cannot watch %q: %w", a.address, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = poll.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	raw, err := poll.SyscallConn()
	if err != nil {
		return err
	}
	wait := raw.Read(func(fd uintptr) bool {
		var events [1]unix.EpollEvent
		n, failed := unix.EpollWait(int(fd), events[:], 0)
		err = failed
		return n > 0 || failed != nil && !errors.Is(failed, unix.EINTR)
	})
	return errors.Join(wait, err)
}

// Close implements Activation.
func (a *activation) Close() error {
	if a.file == nil {
		return nil
	}
	err := a.file.Close()
	var st unix.Stat_t
	if a.inode != 0 && unix.Lstat(a.address, &st) == nil && st.Ino == a.inode {
		err = errors.Join(err, os.Remove(a.address))
	}
	return err
}

// cause strips what the sentence around the error says already.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		return call.Err
	}
	return err
}
