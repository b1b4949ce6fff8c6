package vassal

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/sockets"
)

// takePassed takes over the sockets of an order: the ones of the generation before, and new ones.
func (l *listeners) takePassed(fds []int) {
	var last *sockets.Socket
	for _, fd := range fds {
		switch {
		case isPath(fd):
			if last != nil {
				if err := last.SetFile(fd); err != nil {
					l.log.Debug("the path of a socket of the generation before is not known", "error", err)
				}
			}
			_ = unix.Close(fd)
			continue
		case isUnbound(fd):
			l.unbound = append(l.unbound, fd)
			continue
		}
		s, err := sockets.Adopt("kept", onDemand, fd)
		if last = s; err != nil { // a generation in between has given it up
			l.log.Debug("a socket of the generation before is not used", "error", err)
			_ = unix.Close(fd)
			continue
		}
		l.kept = append(l.kept, s)
	}
}

// isPath reports whether a descriptor only names a file.
func isPath(fd int) bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_PATH != 0
}

// isUnbound reports whether a descriptor is a unix socket without an address.
func isUnbound(fd int) bool {
	at, err := unix.Getsockname(fd)
	u, ok := at.(*unix.SockaddrUnix)
	return err == nil && ok && (u.Name == "" || u.Name == "@") // the form of an abstract name without a letter
}

// listenAt makes a socket, or continues with the one of the generation before, where
// connections may wait. A kept socket that is in the way of a new one is closed.
func (l *listeners) listenAt(name, text string, how sockets.Options) (*sockets.Socket, error) {
	if i := slices.IndexFunc(l.kept, func(s *sockets.Socket) bool { return s.Resumes(text, how) }); i >= 0 {
		s := l.kept[i]
		l.kept = slices.Delete(l.kept, i, i+1)
		s.Name, s.Address = name, text
		return s, nil
	}
	l.kept = slices.DeleteFunc(l.kept, func(s *sockets.Socket) bool {
		inTheWay := s.BoundTo(text) || s.Crowds(text)
		if inTheWay {
			s.GiveUp()
		}
		return inTheWay
	})
	if len(l.unbound) > 0 && address.InFiles(text) && !strings.HasPrefix(text, "fd://") {
		fd := l.unbound[0]
		l.unbound = l.unbound[1:]
		return sockets.ListenWith(fd, name, text, how)
	}
	return sockets.Listen(name, text, how)
}

// giveUpPassed closes the sockets of the order that the configuration does not need.
func (l *listeners) giveUpPassed() {
	for _, s := range l.kept {
		s.GiveUp()
	}
	for _, fd := range l.unbound {
		_ = unix.Close(fd)
	}
	l.kept, l.unbound = nil, nil
}
