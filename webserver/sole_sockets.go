package webserver

import (
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/emperor-go/emperor/internal/listenfds"
	"github.com/emperor-go/emperor/internal/sockets"
	"github.com/emperor-go/emperor/pkg/config/serving"
)

// adopt takes over the sockets that the boot has bound.
func (s *sole) adopt() error {
	listenfds.Forget()
	_ = os.Unsetenv("NOTIFY_SOCKET")
	for i, b := range s.options.Sole.Sockets {
		made, err := sockets.AdoptBound(b.Name, b.Address, listenfds.First+i)
		if err != nil {
			return err
		}
		s.bound = append(s.bound, made)
	}
	return nil
}

// bind returns the sockets of a configuration: sockets that the one in effect has too, and new
// ones, which are also in made.
func (s *sole) bind(o *serving.Options) (list, made []*sockets.Socket, err error) {
	x := &o.Sole
	how := sockets.Options{Backlog: x.Backlog, KeepAlive: x.KeepAlive, NoDelay: x.NoDelay, FreeBind: x.FreeBind, UID: x.UID, GID: x.GID}
	if mode := fs.FileMode(x.Mode); x.Mode >= 0 {
		how.Mode = &mode
	}
	for _, b := range x.Sockets {
		how.Beside = append(how.Beside, b.Address)
	}
	for _, b := range x.Sockets {
		one, fresh, err := s.socket(b, list, how, x.Sockets)
		if err != nil {
			discard(made)
			return nil, nil, fmt.Errorf("%s%w", b.Place, err)
		}
		if list = append(list, one); fresh {
			made = append(made, one)
		}
	}
	return list, made, nil
}

// socket returns a socket that no other one of the configuration has taken.
func (s *sole) socket(b serving.Bound, taken []*sockets.Socket, how sockets.Options, all []serving.Bound) (_ *sockets.Socket, fresh bool, err error) {
	var renamed *sockets.Socket
	for _, have := range s.bound {
		switch {
		case slices.Contains(taken, have):
		case have.Name == b.Name && have.Address == b.Address:
			return have, false, nil
		case !wanted(have, all) && have.IsAt(b.Address): // the address cannot be bound twice
			renamed = have
		}
	}
	if renamed != nil {
		one, err := renamed.As(b.Name, b.Address)
		return one, true, err
	}
	one, err := sockets.Listen(b.Name, b.Address, how)
	return one, true, err
}

// wanted reports whether a configuration names a socket as it is.
func wanted(have *sockets.Socket, all []serving.Bound) bool {
	return slices.ContainsFunc(all, func(b serving.Bound) bool { return b.Name == have.Name && b.Address == have.Address })
}

// discard removes sockets that are not used after all.
func discard(made []*sockets.Socket) {
	for _, one := range made {
		one.Remove()
		one.Close()
	}
}

// replace puts the sockets of a reload into effect.
func (s *sole) replace(list []*sockets.Socket) {
	log := s.base.Log
	for _, old := range s.bound {
		if slices.Contains(list, old) {
			continue
		}
		log.Info("not listening any more", old.Name, old.Address)
		for _, heir := range list {
			if old.IsAt(heir.Address) {
				heir.Inherit(old)
			}
		}
		old.Remove()
		old.Close()
	}
	for _, one := range list {
		if !slices.Contains(s.bound, one) {
			log.Info("listening", one.Name, one.Address)
		}
	}
	s.bound = list
}

// listeners returns a listener of its own for each socket.
func listeners(list []*sockets.Socket) (made []Socket, err error) {
	for _, one := range list {
		l, err := one.Listener()
		if err != nil {
			closeListeners(made)
			return nil, fmt.Errorf("cannot use %s %q: %w", one.Name, one.Address, err)
		}
		made = append(made, Socket{one.Name, l})
	}
	return made, nil
}

func closeListeners(list []Socket) {
	for _, l := range list {
		l.Listener.Close()
	}
}
