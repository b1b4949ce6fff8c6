package sockets

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
)

// parse converts an address to the kernel's form.
func parse(text string) (unix.Sockaddr, error) {
	a, err := address.Parse(text)
	if err != nil {
		return nil, err
	}
	return a.Sockaddr()
}

func family(to unix.Sockaddr) int {
	switch to.(type) {
	case *unix.SockaddrInet4:
		return unix.AF_INET
	case *unix.SockaddrInet6:
		return unix.AF_INET6
	}
	return unix.AF_UNIX
}

// inherited takes ownership of a descriptor by its number.
func (s *Socket) inherited(number string) error {
	fd, err := strconv.Atoi(number)
	if err != nil || fd < 0 {
		return fmt.Errorf("%q is not a descriptor", number)
	}
	adopted, err := Adopt(s.Name, s.Address, fd)
	if err == nil {
		s.file = adopted.file
	}
	return err
}

// IsPort reports whether the socket has a port, so that several sockets can have its address
// (SO_REUSEPORT).
func (s *Socket) IsPort() bool {
	bound, err := unix.Getsockname(int(s.FD()))
	_, path := bound.(*unix.SockaddrUnix)
	return err == nil && !path
}

// BoundTo reports whether the socket is bound to exactly that address.
func (s *Socket) BoundTo(address string) bool {
	wanted, err := parse(address)
	if err != nil {
		return false
	}
	bound, err := unix.Getsockname(int(s.FD()))
	if err != nil {
		return false
	}
	switch w := wanted.(type) {
	case *unix.SockaddrInet4:
		b, ok := bound.(*unix.SockaddrInet4)
		return ok && b.Port == w.Port && b.Addr == w.Addr
	case *unix.SockaddrInet6:
		b, ok := bound.(*unix.SockaddrInet6)
		return ok && b.Port == w.Port && b.Addr == w.Addr
	case *unix.SockaddrUnix:
		b, ok := bound.(*unix.SockaddrUnix)
		return ok && b.Name == w.Name
	}
	return false
}

// IsAt reports whether an address in any spelling is the socket's.
func (s *Socket) IsAt(address string) bool {
	return s.BoundTo(address) || s.path != "" && s.path == Absolute(address)
}

// Crowds reports whether the socket prevents an address from being bound: it has the same port
// on another address of the machine, and one of the two is the wildcard address. The wildcard
// address of IPv6 may include IPv4.
func (s *Socket) Crowds(address string) bool {
	wanted, err := parse(address)
	if err != nil {
		return false
	}
	bound, err := unix.Getsockname(int(s.FD()))
	if err != nil {
		return false
	}
	switch w := wanted.(type) {
	case *unix.SockaddrInet4:
		if b, ok := bound.(*unix.SockaddrInet6); ok {
			only, err := unix.GetsockoptInt(int(s.FD()), unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
			return err == nil && only == 0 && b.Port == w.Port && b.Addr == [16]byte{}
		}
		b, ok := bound.(*unix.SockaddrInet4)
		return ok && b.Port == w.Port && (b.Addr == [4]byte{} || w.Addr == [4]byte{})
	case *unix.SockaddrInet6:
		if b, ok := bound.(*unix.SockaddrInet4); ok {
			return b.Port == w.Port && w.Addr == [16]byte{}
		}
		b, ok := bound.(*unix.SockaddrInet6)
		return ok && b.Port == w.Port && (b.Addr == [16]byte{} || w.Addr == [16]byte{})
	}
	return false
}

// Reachable reports whether a process accepts connections on an address now.
func Reachable(address string) (bool, error) {
	to, err := parse(address)
	if err != nil {
		return false, err
	}
	fd, err := unix.Socket(family(to), unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	// Limits connect(2), which for TCP could take minutes.
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Sec: 1})
	return unix.Connect(fd, to) == nil, nil
}

// Dial connects to an address. The connection supports deadlines; the caller closes it.
func Dial(ctx context.Context, address string) (*os.File, error) {
	to, err := parse(address)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(family(to), unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	err = unix.Connect(fd, to)
	conn := os.NewFile(uintptr(fd), address)
	if errors.Is(err, unix.EINPROGRESS) {
		err = connected(ctx, conn)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// connected waits for the end of a connect(2) in progress.
func connected(ctx context.Context, conn *os.File) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var result int
	err = raw.Write(func(fd uintptr) bool {
		if _, err := unix.Getpeername(int(fd)); err == nil {
			return true
		}
		result, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		return err != nil || result != 0
	})
	if err == nil && result != 0 {
		err = unix.Errno(result)
	}
	return err
}
