package address

import (
	"io/fs"
	"net/netip"
	"os"
	"slices"

	"golang.org/x/sys/unix"
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
	// V6Only is IPV6_V6ONLY of an IPv6 socket. Nil: Beside and the kernel decide.
	V6Only *bool
}

// Listen returns a listening socket at an address. `:port`, `ip:port` and `[ip6]:port` are for TCP, and
// `@name` is an abstract unix socket. Anything else is the path of a unix socket, which has its owner and mode
// before a client can connect. Listen replaces a dead socket at the path; a socket on which a process listens
// is ErrBusy. The socket is close-on-exec, and blocking, as programs expect of an inherited socket. The caller
// closes it.
func Listen(text string, o Options) (*os.File, error) {
	to, err := SockaddrOf(text)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(family(to), unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return o.listening(fd, text, to)
}

// ListenWith is Listen with a unix socket that has no address yet, of which it takes ownership.
func ListenWith(fd int, text string, o Options) (*os.File, error) {
	to, err := SockaddrOf(text)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return o.listening(fd, text, to)
}

// listening makes a socket listen. On failure it closes it.
func (o Options) listening(fd int, text string, to unix.Sockaddr) (*os.File, error) {
	f := os.NewFile(uintptr(fd), text)
	if err := o.bind(fd, to); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Bind returns a socket of a kind (unix.SOCK_STREAM or SOCK_DGRAM) that has an address of IP alone and does
// not listen. It blocks and is close-on-exec; the caller closes it. Options of unix sockets and of
// listening do not count. Errors are an *os.SyscallError: EADDRINUSE in bind when another socket has the
// address.
func Bind(to netip.AddrPort, kind int, o Options) (*os.File, error) {
	a, err := SockaddrOf(to.String())
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(family(a), kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	f := os.NewFile(uintptr(fd), to.String())
	if err = os.NewSyscallError("setsockopt", set(fd, o.exclusive(a))); err == nil {
		err = os.NewSyscallError("bind", unix.Bind(fd, a))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// bind binds a socket and listens on it.
func (o Options) bind(fd int, to unix.Sockaddr) error {
	if u, ok := to.(*unix.SockaddrUnix); ok {
		return o.bindUnix(fd, u)
	}
	if err := set(fd, o.settings(to)); err != nil {
		return err
	}
	if err := unix.Bind(fd, to); err != nil {
		return err
	}
	return unix.Listen(fd, o.Backlog)
}

// bindUnix sets the owner and mode of the path before it listens.
func (o Options) bindUnix(fd int, to *unix.SockaddrUnix) error {
	if Abstract(to.Name) {
		if err := unix.Bind(fd, to); err != nil {
			return err
		}
		return unix.Listen(fd, o.Backlog)
	}
	if err := RemoveDead(to.Name, unix.SOCK_STREAM); err != nil {
		return err
	}
	if err := unix.Bind(fd, to); err != nil {
		return err
	}
	made, err := FileOf(to.Name)
	if err != nil {
		return err
	}
	if err = o.own(to.Name); err == nil {
		err = unix.Listen(fd, o.Backlog)
	}
	if err != nil && made.Is(to.Name) {
		_ = os.Remove(to.Name)
	}
	return err
}

// setting is an option of a socket.
type setting struct {
	wanted      bool
	level, name int
	always      bool // set also when it is not wanted, because the kernel's default may be 1
}

// settings are the options of a listening socket that must be set before bind(2).
func (o Options) settings(to unix.Sockaddr) []setting {
	return append([]setting{{true, unix.SOL_SOCKET, unix.SO_REUSEADDR, false}}, o.exclusive(to)...)
}

// exclusive are these options without the one that lets several sockets that do not listen have an
// address.
func (o Options) exclusive(to unix.Sockaddr) []setting {
	freebind := setting{o.FreeBind, unix.IPPROTO_IP, unix.IP_FREEBIND, false}
	_, six := to.(*unix.SockaddrInet6)
	if six {
		freebind.level, freebind.name = unix.IPPROTO_IPV6, unix.IPV6_FREEBIND
	}
	list := []setting{
		{o.ReusePort, unix.SOL_SOCKET, unix.SO_REUSEPORT, false},
		{o.KeepAlive, unix.SOL_SOCKET, unix.SO_KEEPALIVE, false},
		{o.NoDelay, unix.IPPROTO_TCP, unix.TCP_NODELAY, false},
		freebind,
	}
	switch {
	case six && o.V6Only != nil:
		list = append(list, setting{*o.V6Only, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, true})
	case six && o.besideFour(to): // so that :80 and [::]:80 can both be bound
		list = append(list, setting{true, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, false})
	}
	return list
}

// Setting is an option of a socket (setsockopt(2)).
type Setting struct{ Level, Name, Value int }

// Settings returns the options that Listen sets before bind(2).
func (o Options) Settings(to unix.Sockaddr) []Setting { return changes(o.settings(to)) }

// changes returns the options that have to be set.
func changes(all []setting) (list []Setting) {
	for _, x := range all {
		switch {
		case x.wanted:
			list = append(list, Setting{x.level, x.name, 1})
		case x.always:
			list = append(list, Setting{x.level, x.name, 0})
		}
	}
	return list
}

// set sets options of a socket.
func set(fd int, list []setting) error {
	for _, x := range changes(list) {
		if err := unix.SetsockoptInt(fd, x.Level, x.Name, x.Value); err != nil {
			return err
		}
	}
	return nil
}

// Resume listens again on a bound socket, with the queue of o. It reports whether the socket has
// the options that Listen would set, and its path the owner and the mode.
func (o Options) Resume(fd int, text string) bool {
	to, err := SockaddrOf(text)
	if err != nil {
		return false
	}
	if u, ok := to.(*unix.SockaddrUnix); ok {
		return (Abstract(u.Name) || o.ownAgain(u.Name)) && unix.Listen(fd, o.Backlog) == nil
	}
	for _, x := range o.settings(to) {
		if on, err := unix.GetsockoptInt(fd, x.level, x.name); err != nil || (on != 0) != x.wanted {
			return false
		}
	}
	return unix.Listen(fd, o.Backlog) == nil
}

// besideFour reports whether another address is an IPv4 address with the same port.
func (o Options) besideFour(to unix.Sockaddr) bool {
	six, _ := to.(*unix.SockaddrInet6)
	return six != nil && slices.ContainsFunc(o.Beside, func(text string) bool {
		other, err := SockaddrOf(text)
		four, ok := other.(*unix.SockaddrInet4)
		return err == nil && ok && four.Port == six.Port
	})
}

// ownAgain gives an existing path its owner and mode. It reports whether the path is as a new one would be.
func (o Options) ownAgain(path string) bool {
	var st unix.Stat_t
	if o.own(path) != nil || unix.Lstat(path, &st) != nil {
		return false
	}
	if o.UID < 0 && int(st.Uid) != os.Geteuid() {
		return false
	}
	if o.Mode != nil {
		return true
	}
	umask := unix.Umask(0)
	unix.Umask(umask)
	return fs.FileMode(st.Mode).Perm() == fs.ModePerm&^fs.FileMode(umask)
}

// own sets owner and mode of a new path.
func (o Options) own(path string) error {
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
