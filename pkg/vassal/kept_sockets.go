package vassal

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/sockets"
)

// keep takes over the sockets of the generation before.
func (l *listeners) keep(fds []int) {
	for _, fd := range fds {
		s, err := sockets.Adopt("kept", onDemand, fd)
		if err != nil { // a generation in between has given it up
			l.log.Debug("a socket of the generation before is not used", "error", err)
			_ = unix.Close(fd)
			continue
		}
		l.kept = append(l.kept, s)
	}
}

// listenAt makes a socket, or continues with the one of the generation before, where
// connections may wait. A kept socket that is in the way of a new one is closed.
func (l *listeners) listenAt(name, address string, how sockets.Options) (*sockets.Socket, error) {
	if i := slices.IndexFunc(l.kept, func(s *sockets.Socket) bool { return s.Resumes(address, how) }); i >= 0 {
		s := l.kept[i]
		l.kept = slices.Delete(l.kept, i, i+1)
		s.Name, s.Address = name, address
		return s, nil
	}
	l.kept = slices.DeleteFunc(l.kept, func(s *sockets.Socket) bool {
		inTheWay := s.BoundTo(address) || s.Crowds(address)
		if inTheWay {
			s.GiveUp()
		}
		return inTheWay
	})
	return sockets.Listen(name, address, how)
}

// giveUpKept closes the sockets of the generation before that the configuration does not name.
func (l *listeners) giveUpKept() {
	for _, s := range l.kept {
		s.GiveUp()
	}
	l.kept = nil
}
