// Package sockets makes a vassal's listening sockets. They belong to the master and outlive
// workers and reloads: a connection waits in the accept queue for the next worker.
package sockets

import (
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
)

// Options of new sockets.
type Options = address.Options

// Socket is a listening socket.
type Socket struct {
	// Name is its name in LISTEN_FDNAMES.
	Name string
	// Address is the address in the configuration.
	Address string

	file *os.File
	path string // of a unix socket; empty otherwise
	made address.File

	front *Socket  // the socket before this one; nil: none
	door  *os.File // the only access to it; nil: its address is
}

// Listen makes a socket for an address: `:port`, `ip:port` and `[ip6]:port` for TCP, `@name`
// for an abstract unix socket, `fd://N` for an existing descriptor, and anything else is the
// path of a unix socket. As in uWSGI, an address without a host is all of IPv4. Listen
// replaces a dead socket at the path; a socket on which a process listens is an error. The
// socket is close-on-exec.
func Listen(name, address string, o Options) (*Socket, error) {
	s := &Socket{Name: name, Address: address}
	err := s.listen(o)
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("cannot listen on %s %q: %w", name, address, explained(address, err))
	}
	return s, nil
}

// ListenWith is Listen for the path of a unix socket, with a socket that has no address yet, of which it takes
// ownership.
func ListenWith(fd int, name, text string, o Options) (*Socket, error) {
	s := &Socket{Name: name, Address: text}
	f, err := address.ListenWith(fd, text, o)
	if err = s.listensAt(f, err); err != nil {
		s.Close()
		return nil, fmt.Errorf("cannot listen on %s %q: %w", name, text, explained(text, err))
	}
	return s, nil
}

// Adopt makes a Socket from a descriptor that listens already. The Socket owns it.
func Adopt(name, address string, fd int) (*Socket, error) {
	if on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || on == 0 {
		return nil, fmt.Errorf("cannot use descriptor %d as %s: it is not a listening socket", fd, name)
	}
	unix.CloseOnExec(fd)
	return &Socket{Name: name, Address: address, file: os.NewFile(uintptr(fd), name)}, nil
}

// AdoptBound is Adopt for a socket that was bound to its address for this process, which removes its path
// at the end.
func AdoptBound(name, text string, fd int) (*Socket, error) {
	s, err := Adopt(name, text, fd)
	if err == nil && address.InFiles(text) {
		s.path = address.Absolute(text)
		s.made, err = address.FileOf(s.path)
	}
	return s, err
}

// As returns the same socket under another name. Each has a descriptor of its own.
func (s *Socket) As(name, address string) (*Socket, error) {
	fd, err := unix.FcntlInt(s.FD(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("cannot share %s %q: %w", s.Name, s.Address, err)
	}
	return &Socket{Name: name, Address: address, file: os.NewFile(uintptr(fd), name)}, nil
}

// FD returns the descriptor, which the Socket keeps. It does not change whether the socket blocks,
// because another process, or another part of this one, may accept from it.
func (s *Socket) FD() uintptr {
	number := ^uintptr(0)
	if raw, err := s.file.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { number = fd })
	}
	return number
}

// Listener returns a listener of this socket, with a descriptor of its own.
func (s *Socket) Listener() (net.Listener, error) { return net.FileListener(s.file) }

// Names returns the names of sockets.
func Names(list []*Socket) []string {
	names := make([]string, len(list))
	for i, s := range list {
		names[i] = s.Name
	}
	return names
}

// Close closes the descriptor. The path of a unix socket stays.
func (s *Socket) Close() {
	if s.file != nil {
		s.file.Close()
	}
	if s.door != nil {
		s.door.Close()
	}
}

// Inherit transfers the path from a socket of which As made this one: this socket removes the
// path from here on.
func (s *Socket) Inherit(from *Socket) {
	s.path, s.made = from.path, from.made
	from.path = ""
}

// Remove removes the path of a unix socket if it still names this socket: another process may
// have bound the name since.
func (s *Socket) Remove() {
	if s.path != "" && s.made.Is(s.path) {
		_ = os.Remove(s.path)
	}
}

func (s *Socket) listen(o Options) error {
	if number, ok := strings.CutPrefix(s.Address, "fd://"); ok {
		return s.inherited(number)
	}
	f, err := address.Listen(s.Address, o)
	return s.listensAt(f, err)
}

// listensAt takes over the result of address.Listen.
func (s *Socket) listensAt(f *os.File, err error) error {
	if err != nil || !address.InFiles(s.Address) {
		s.file = f
		return err
	}
	s.file, s.path = f, address.Absolute(s.Address)
	s.made, err = address.FileOf(s.path)
	return err
}
