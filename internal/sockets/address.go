package sockets

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
)

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
func (s *Socket) BoundTo(text string) bool {
	wanted, bound := s.compared(text)
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

// compared returns an address and the socket's own in the kernel's form; nil, nil: one of them is
// unknown.
func (s *Socket) compared(text string) (wanted, bound unix.Sockaddr) {
	wanted, err := address.SockaddrOf(text)
	if err == nil {
		bound, err = unix.Getsockname(int(s.FD()))
	}
	if err != nil {
		return nil, nil
	}
	return wanted, bound
}

// IsAt reports whether an address in any spelling is the socket's.
func (s *Socket) IsAt(text string) bool {
	return s.BoundTo(text) || s.path != "" && s.path == address.Absolute(text)
}

// Crowds reports whether the socket prevents an address from being bound: it has the same port
// on another address of the machine, and one of the two is the wildcard address. The wildcard
// address of IPv6 may include IPv4.
func (s *Socket) Crowds(text string) bool {
	wanted, bound := s.compared(text)
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
