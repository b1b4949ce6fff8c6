// Package sockets makes a vassal's listening sockets. They belong to the master and outlive
// workers and reloads: a connection waits in the accept queue for the next worker.
package sockets

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
)

// Options of new sockets.
type Options struct {
	// Backlog is the number of connections in the accept queue. Required.
	Backlog int
	// KeepAlive, NoDelay and FreeBind are SO_KEEPALIVE, TCP_NODELAY and IP_FREEBIND;
	// connections inherit the first two.
	KeepAlive, NoDelay, FreeBind bool
	// ReusePort lets several sockets have the address (SO_REUSEPORT).
	ReusePort bool
	// Mode of a unix socket's path; nil: decided by the umask.
	Mode *fs.FileMode
	// UID and GID own a unix socket's path; -1: unchanged.
	UID, GID int
	// Beside are the other addresses of the vassal. [::]:PORT includes IPv4, as the kernel is
	// configured (net.ipv6.bindv6only), unless one of them is an IPv4 address with that port.
	Beside []string
}

// Socket is a listening socket.
type Socket struct {
	// Name is its name in LISTEN_FDNAMES.
	Name string
	// Address is the address in the configuration.
	Address string

	file *os.File
	path string // of a unix socket; empty otherwise
	made File

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
		return nil, fmt.Errorf("cannot listen on %s %q: %w", name, address, err)
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

// As returns the same socket under another name. Each has a descriptor of its own.
func (s *Socket) As(name, address string) (*Socket, error) {
	fd, err := unix.FcntlInt(s.file.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("cannot share %s %q: %w", s.Name, s.Address, err)
	}
	return &Socket{Name: name, Address: address, file: os.NewFile(uintptr(fd), name)}, nil
}

// FD returns the descriptor, which the Socket keeps.
func (s *Socket) FD() uintptr { return s.file.Fd() }

// Variables describe to a program the sockets from descriptor 3 on (sd_listen_fds(3)).
// LISTEN_PID is not among them.
func Variables(list []*Socket) []string {
	names := make([]string, len(list))
	for i, s := range list {
		names[i] = s.Name
	}
	return []string{"LISTEN_FDS=" + strconv.Itoa(len(list)), "LISTEN_FDNAMES=" + strings.Join(names, ":")}
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
	to, err := parse(s.Address)
	if err != nil {
		return err
	}
	if err := s.open(family(to)); err != nil {
		return err
	}
	if u, ok := to.(*unix.SockaddrUnix); ok {
		return s.bindUnix(u, o)
	}
	if err := s.prepare(to, o); err != nil {
		return err
	}
	if err := unix.Bind(int(s.FD()), to); err != nil {
		return err
	}
	return unix.Listen(int(s.FD()), o.Backlog)
}

// open makes the descriptor. It is blocking, as programs expect of an inherited socket. All
// processes that share the socket share this flag.
func (s *Socket) open(family int) error {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		s.file = os.NewFile(uintptr(fd), s.Name)
	}
	return err
}

// prepare sets the options that must be set before bind(2).
func (s *Socket) prepare(to unix.Sockaddr, o Options) error {
	type option struct {
		wanted      bool
		level, name int
	}
	freebind := option{o.FreeBind, unix.IPPROTO_IP, unix.IP_FREEBIND}
	_, six := to.(*unix.SockaddrInet6)
	if six {
		freebind.level, freebind.name = unix.IPPROTO_IPV6, unix.IPV6_FREEBIND
	}
	for _, x := range []option{
		{true, unix.SOL_SOCKET, unix.SO_REUSEADDR},
		{six && o.besideFour(to), unix.IPPROTO_IPV6, unix.IPV6_V6ONLY}, // so that :80 and [::]:80 can both be bound
		{o.ReusePort, unix.SOL_SOCKET, unix.SO_REUSEPORT},
		{o.KeepAlive, unix.SOL_SOCKET, unix.SO_KEEPALIVE},
		{o.NoDelay, unix.IPPROTO_TCP, unix.TCP_NODELAY},
		freebind,
	} {
		if !x.wanted {
			continue
		}
		if err := unix.SetsockoptInt(int(s.FD()), x.level, x.name, 1); err != nil {
			return err
		}
	}
	return nil
}

// besideFour reports whether another address is an IPv4 address with the same port.
func (o Options) besideFour(to unix.Sockaddr) bool {
	six, _ := to.(*unix.SockaddrInet6)
	return six != nil && slices.ContainsFunc(o.Beside, func(address string) bool {
		other, err := parse(address)
		four, ok := other.(*unix.SockaddrInet4)
		return err == nil && ok && four.Port == six.Port
	})
}

// bindUnix binds, and sets owner and mode before a client can connect.
func (s *Socket) bindUnix(to *unix.SockaddrUnix, o Options) error {
	if to.Name[0] != '@' {
		if err := address.RemoveDead(to.Name, unix.SOCK_STREAM); err != nil {
			return err
		}
	}
	if err := unix.Bind(int(s.FD()), to); err != nil {
		return err
	}
	if to.Name[0] != '@' {
		made, err := FileOf(to.Name)
		if err != nil {
			return err
		}
		s.path, s.made = Absolute(to.Name), made
		if err := own(s.path, o); err != nil {
			s.Remove()
			return err
		}
	}
	return unix.Listen(int(s.FD()), o.Backlog)
}

// own sets owner and mode of a new path.
func own(path string, o Options) error {
	if o.UID >= 0 || o.GID >= 0 {
		if err := os.Lchown(path, o.UID, o.GID); err != nil {
			return err
		}
	}
	if o.Mode != nil {
		return os.Chmod(path, *o.Mode)
	}
	return nil
}
