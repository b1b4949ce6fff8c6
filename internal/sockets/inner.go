package sockets

import (
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
)

// Inner makes a socket behind another one. For programs it is an ordinary unix socket, but
// only a process that holds Door can connect to it. Its name is removed from the file system
// before Inner returns.
func Inner(name string, front *Socket, backlog int) (*Socket, error) {
	s := &Socket{Name: name, Address: "(behind " + front.Name + " " + front.Address + ")", front: front}
	var err error
	if s.file, s.door, err = address.ListenUnnamed(name, backlog); err != nil {
		return nil, fmt.Errorf("cannot make a socket between the built-in server and the command: %w", err)
	}
	return s, nil
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
		if address.Abstract(b.Name) {
			return b.Name, nil
		}
		return address.Absolute(b.Name), nil
	}
	return "", fmt.Errorf("cannot connect to %s %q", s.Name, s.Address)
}
