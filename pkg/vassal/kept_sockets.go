package vassal

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/sockets"
)

// keep takes over the sockets of the generation before.
func (v *Vassal) keep(fds []int) {
	for _, fd := range fds {
		s, err := sockets.Adopt("kept", onDemand, fd)
		if err != nil { // a generation in between has given it up
			v.Log.Debug("a socket of the generation before is not used", "error", err)
			_ = unix.Close(fd)
			continue
		}
		v.kept = append(v.kept, s)
	}
}

// listenAt makes a socket, or continues with the one of the generation before, where
// connections may wait. A kept socket that is in the way of a new one is closed.
func (v *Vassal) listenAt(name, address string, how sockets.Options) (*sockets.Socket, error) {
	if i := slices.IndexFunc(v.kept, func(s *sockets.Socket) bool { return s.Resumes(address, how) }); i >= 0 {
		s := v.kept[i]
		v.kept = slices.Delete(v.kept, i, i+1)
		s.Name, s.Address = name, address
		return s, nil
	}
	v.kept = slices.DeleteFunc(v.kept, func(s *sockets.Socket) bool {
		inTheWay := s.BoundTo(address) || s.Crowds(address)
		if inTheWay {
			s.GiveUp()
		}
		return inTheWay
	})
	return sockets.Listen(name, address, how)
}

// letGo closes the sockets that the configuration does not name any more.
func (v *Vassal) letGo() {
	for _, s := range v.kept {
		s.GiveUp()
	}
	v.kept = nil
}
