package vassal

import (
	"slices"

	"github.com/emperor-go/emperor/internal/sockets"
)

// keep takes over the sockets of the generation before.
func (v *Vassal) keep(fds []int) error {
	for _, fd := range fds {
		s, err := sockets.Adopt("kept", onDemand, fd)
		if err != nil {
			return err
		}
		v.kept = append(v.kept, s)
	}
	return nil
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
			s.Close()
		}
		return inTheWay
	})
	return sockets.Listen(name, address, how)
}

// letGo closes the sockets that the configuration does not name any more.
func (v *Vassal) letGo() {
	closeAll(v.kept)
	v.kept = nil
}
