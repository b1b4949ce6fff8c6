package sockets

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
)

// Inner makes a socket behind another one. For programs it is an ordinary unix socket, but
// only a process that holds Door can connect to it. Its name is removed from the file system
// before Inner returns.
func Inner(name string, front *Socket, backlog int) (*Socket, error) {
	s := &Socket{Name: name, Address: "(behind " + front.Name + " " + front.Address + ")", front: front}
	err := s.open()
	if err == nil {
		err = s.bindUnnamed()
	}
	if err == nil {
		err = unix.Listen(int(s.FD()), backlog)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("cannot make a socket between the built-in server and the command: %w", err)
	}
	return s, nil
}

// open makes the descriptor. It blocks, as that of address.Listen does.
func (s *Socket) open() error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		s.file = os.NewFile(uintptr(fd), s.Name)
	}
	return err
}

// bindUnnamed binds the socket in a new directory, keeps the path open, and removes both. It
// skips a file system that does not support sockets.
func (s *Socket) bindUnnamed() (failed error) {
	for _, above := range []string{"/run", os.TempDir(), "/dev/shm", "/var/tmp"} {
		dir, err := os.MkdirTemp(above, ".vassal-")
		if err == nil {
			err = s.bindIn(filepath.Join(dir, "socket"))
			_ = os.Remove(dir)
		}
		if err == nil {
			return nil
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

func (s *Socket) bindIn(path string) error {
	if err := unix.Bind(int(s.FD()), &unix.SockaddrUnix{Name: path}); err != nil {
		return err
	}
	defer func() { _ = os.Remove(path) }()
	if err := os.Chmod(path, 0o600); err != nil { // regardless of the umask
		return err
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err == nil {
		s.door = os.NewFile(uintptr(fd), path)
	}
	return err
}

// Door returns a descriptor of a socket that Inner made, for connecting by /proc/self/fd; nil
// for any other. The Socket keeps it.
func (s *Socket) Door() *os.File { return s.door }

// Front returns the socket before a socket that Inner made; nil for any other.
func (s *Socket) Front() *Socket { return s.front }

// Dialed returns an address at which this machine reaches the socket: the loopback address
// when it listens on all. An abstract name begins with @.
func (s *Socket) Dialed() (string, error) {
	bound, err := unix.Getsockname(int(s.FD()))
	if err != nil {
		return "", fmt.Errorf("cannot find the address of %s %q: %w", s.Name, s.Address, err)
	}
	switch b := bound.(type) {
	case *unix.SockaddrInet4:
		host := netip.AddrFrom4(b.Addr)
		if host.IsUnspecified() {
			host = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
		return netip.AddrPortFrom(host, uint16(b.Port)).String(), nil
	case *unix.SockaddrInet6:
		host := netip.AddrFrom16(b.Addr)
		if host.IsUnspecified() {
			host = netip.IPv6Loopback()
		}
		return netip.AddrPortFrom(host, uint16(b.Port)).String(), nil
	case *unix.SockaddrUnix:
		if strings.HasPrefix(b.Name, "@") {
			return b.Name, nil
		}
		return address.Absolute(b.Name), nil
	}
	return "", fmt.Errorf("cannot connect to %s %q", s.Name, s.Address)
}
