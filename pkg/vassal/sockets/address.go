package sockets

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// parse turns an address into the kernel's form. Host names other than localhost
// are not looked up: what a server listens on must not depend on a name server.
func parse(address string) (unix.Sockaddr, error) {
	colon := strings.LastIndexByte(address, ':')
	if address == "" {
		return nil, errors.New("no address")
	}
	if colon < 0 || address[0] == '/' || address[0] == '@' || address[0] == '.' {
		return &unix.SockaddrUnix{Name: address}, nil
	}
	port, err := strconv.ParseUint(address[colon+1:], 10, 16)
	if err != nil {
		return nil, fmt.Errorf("%q is not a port", address[colon+1:])
	}
	host := address[:colon]
	switch host {
	case "", "*":
		host = "0.0.0.0"
	case "localhost":
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	if err != nil {
		return nil, fmt.Errorf("%q is not an IP address", host)
	}
	if ip.Is4() {
		return &unix.SockaddrInet4{Port: int(port), Addr: ip.As4()}, nil
	}
	zone, err := zone(ip.Zone())
	return &unix.SockaddrInet6{Port: int(port), Addr: ip.As16(), ZoneId: zone}, err
}

// zone reads the interface behind a %: its number, or its name.
func zone(name string) (uint32, error) {
	if name == "" {
		return 0, nil
	}
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(n), nil
	}
	text, err := os.ReadFile("/sys/class/net/" + name + "/ifindex")
	if err != nil {
		return 0, fmt.Errorf("no interface %q", name)
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	return uint32(n), err
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

// inherited takes over a descriptor by its number.
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

// IsPort reports whether the socket is that of a port, of which there can be several
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

// IsAt reports whether an address means the socket, in whatever words.
func (s *Socket) IsAt(address string) bool {
	return s.BoundTo(address) || s.path != "" && s.path == Absolute(address)
}

// Crowds reports whether the socket is what keeps an address from being bound: it has
// the port on another of the machine's addresses, one of which is all of them; all of
// IPv6 may be those of IPv4 as well.
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

// Reachable reports whether somebody accepts connections on an address now.
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
	// Bounds connect(2), which for TCP could take minutes.
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Sec: 1})
	return unix.Connect(fd, to) == nil, nil
}

// Dial connects to an address. The connection has deadlines; the caller closes it.
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

// connected waits for the end of a connect(2) that has begun.
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
