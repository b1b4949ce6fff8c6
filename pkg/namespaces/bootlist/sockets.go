package bootlist

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
)

// Socket is a listening socket.
type Socket struct {
	// FD is the number that its descriptor gets. All lower numbers are in use, and no other number up
	// to maxFiles is needed.
	FD int
	// From is the state of the descriptor before.
	From Origin
	// At is its address: IPv4, IPv6 without a zone, or a unix socket.
	At unix.Sockaddr
	// Settings are options that it gets before it has its address.
	Settings []Setting
	// Backlog is the length of its queue.
	Backlog int
	// UID and GID own the path of a unix socket; -1: unchanged. Mode is the mode of the path; nil:
	// unchanged.
	UID, GID int
	Mode     *fs.FileMode
	// Busy is the error when another process listens at the path. Why makes the message of each
	// failure. Both are required.
	Busy error
	Why  func(error) error
}

// Origin is the state in which a descriptor of a Socket begins.
type Origin int

// The origins.
const (
	// Anew: the descriptor is another file, which the socket replaces.
	Anew Origin = iota
	// Unbound: it is a unix socket without an address.
	Unbound
	// Bound: it is a unix socket at the path of the address.
	Bound
)

// Setting is an option of a socket (setsockopt(2)).
type Setting struct{ Level, Name, Value int }

// Listen makes a listening socket, as address.Listen does: a dead socket at its path is replaced.
func (l *List) Listen(s Socket) error {
	raw, err := rawAddress(s.At)
	if err != nil {
		return err
	}
	at, size := l.bytes(raw), number(len(raw))
	family := number(int(binary.NativeEndian.Uint16(raw)))
	if s.From == Anew {
		l.opened(s.FD, family, 0, s.Why)
	} else {
		l.Keep(s.FD)
	}
	for _, x := range s.Settings {
		value := l.bytes(binary.NativeEndian.AppendUint32(nil, uint32(x.Value)))
		l.add(s.Why, succeeds, unix.SYS_SETSOCKOPT, number(s.FD), number(x.Level), number(x.Name), value, number(4))
	}
	bind := func(d demand) *call { return l.add(s.Why, d, unix.SYS_BIND, number(s.FD), at, size) }
	switch u, ok := s.At.(*unix.SockaddrUnix); {
	case s.From == Bound && ok:
		l.own(s, l.text(u.Name))
	case ok && !address.Abstract(u.Name):
		index := len(l.calls)
		first := bind(unless)
		first.result = uint64(unix.EADDRINUSE)
		l.removeDead(s, l.text(u.Name), family, at, size)
		bind(succeeds)
		l.calls[index].skip = uint32(len(l.calls) - index - 1)
		l.own(s, l.text(u.Name))
	default:
		bind(succeeds)
	}
	l.add(s.Why, succeeds, unix.SYS_LISTEN, number(s.FD), number(s.Backlog))
	return nil
}

// opened opens a socket at a number, which is in use up to then.
func (l *List) opened(fd int, family arg, flags int, why func(error) error) {
	l.add(nil, attempt, unix.SYS_CLOSE, number(fd))
	l.add(why, returns, unix.SYS_SOCKET, family, number(unix.SOCK_STREAM|flags), number(0)).result = uint64(fd)
}

// own gives the path of a socket its owner and its mode.
func (l *List) own(s Socket, path arg) {
	if s.UID >= 0 || s.GID >= 0 {
		l.add(s.Why, succeeds, unix.SYS_FCHOWNAT, number(atCwd), path, number(int32(s.UID)), number(int32(s.GID)), number(unix.AT_SYMLINK_NOFOLLOW))
	}
	if s.Mode != nil {
		l.add(s.Why, succeeds, unix.SYS_FCHMODAT, number(atCwd), path, number(uint32(s.Mode.Perm())))
	}
}

// removeDead removes the file at the path of a socket if it is a socket on which no process listens,
// and the same before and after this was found out. It fails otherwise.
func (l *List) removeDead(s Socket, path, family, at, size arg) {
	// A file of another kind, or of another process, is as much in the way as bind(2) says.
	why := func(err error) error {
		if errors.Is(err, errUnexpected) {
			err = unix.EADDRINUSE
		}
		return s.Why(err)
	}
	was, is := l.bytes(make([]byte, statxSize)), l.bytes(make([]byte, statxSize))
	look := func(room arg) *call {
		return l.add(why, succeeds, unix.SYS_STATX, number(atCwd), path, number(unix.AT_SYMLINK_NOFOLLOW), number(unix.STATX_TYPE|unix.STATX_INO), room)
	}
	kind := binary.NativeEndian.AppendUint16(nil, unix.S_IFSOCK)
	mode := int(unsafe.Offsetof(unix.Statx_t{}.Mode))
	if kind[0] == 0 { // the bits of the kind are in one byte
		kind, mode = kind[1:], mode+1
	}
	first := look(was)
	l.compare(first, was, mode, kind[:1])
	first.mask = unix.S_IFMT >> 8
	spare := len(l.Files) // in use by the process that forks
	l.opened(spare, family, unix.SOCK_NONBLOCK, s.Why)
	l.add(func(err error) error {
		if errors.Is(err, errUnexpected) || errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EPROTOTYPE) {
			err = s.Busy
		}
		return s.Why(err)
	}, refused, unix.SYS_CONNECT, number(spare), at, size).result = uint64(unix.ECONNREFUSED)
	l.add(nil, attempt, unix.SYS_CLOSE, number(spare))
	for _, field := range [][2]uintptr{{unsafe.Offsetof(unix.Statx_t{}.Ino), 8}, {unsafe.Offsetof(unix.Statx_t{}.Dev_major), 8}} {
		again := look(is)
		again.found, again.wanted, again.size, again.mask = uint32(is.value)+uint32(field[0]), uint32(was.value)+uint32(field[0]), uint32(field[1]), 0xff
	}
	l.add(why, succeeds, unix.SYS_UNLINKAT, number(atCwd), path, number(0))
}

// statxSize is the size of struct statx.
const statxSize = unsafe.Sizeof(unix.Statx_t{})

// rawAddress returns an address as the kernel reads it.
func rawAddress(at unix.Sockaddr) ([]byte, error) {
	switch a := at.(type) {
	case *unix.SockaddrInet4:
		raw := binary.NativeEndian.AppendUint16(nil, unix.AF_INET)
		raw = append(binary.BigEndian.AppendUint16(raw, uint16(a.Port)), a.Addr[:]...)
		return append(raw, make([]byte, 8)...), nil
	case *unix.SockaddrInet6:
		raw := binary.NativeEndian.AppendUint16(nil, unix.AF_INET6)
		raw = append(binary.BigEndian.AppendUint16(raw, uint16(a.Port)), make([]byte, 4)...) // and flow information
		raw = append(raw, a.Addr[:]...)
		return binary.NativeEndian.AppendUint32(raw, a.ZoneId), nil
	case *unix.SockaddrUnix:
		if a.Name == "" || len(a.Name) > address.MaxPath {
			return nil, fmt.Errorf("the path of a socket has %d bytes: %w", len(a.Name), unix.EINVAL)
		}
		raw := append(binary.NativeEndian.AppendUint16(nil, unix.AF_UNIX), a.Name...)
		if address.Abstract(a.Name) {
			raw[2] = 0
			return raw, nil
		}
		return append(raw, 0), nil
	}
	return nil, errors.ErrUnsupported
}
