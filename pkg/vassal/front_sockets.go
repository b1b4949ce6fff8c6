package vassal

import (
	"slices"

	"github.com/emperor-go/emperor/internal/sockets"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/vassal/workers"
)

// behind makes the command's sockets behind the ones in list, which belong to the built-in server
// before it. It takes over the ones in have. made is returned even on failure.
func behind(o *config.Vassal, list, have []*sockets.Socket) (inner, made []*sockets.Socket, err error) {
	if !o.Fronted() || len(o.Server.HTTPTo) > 0 {
		return nil, nil, nil
	}
	for _, s := range list {
		if !needsInner(o, s) {
			continue
		}
		i := slices.IndexFunc(have, func(old *sockets.Socket) bool { return old.Front() == s })
		if i >= 0 {
			inner = append(inner, have[i])
			continue
		}
		fresh, err := sockets.Inner(innerName(s.Name), s, o.Listening.Backlog)
		if err != nil {
			return inner, made, err
		}
		inner, made = append(inner, fresh), append(made, fresh)
	}
	return inner, made, nil
}

// needsInner reports whether the command gets another socket in place of this one. A router
// before another socket has none: its requests go to that socket.
func needsInner(o *config.Vassal, s *sockets.Socket) bool {
	router := s.Name == "http" || s.Name == "https"
	return s.Name != "stats" && o.Fronts(s.Name) && (!router || o.Routed() == nil)
}

// innerName returns the name of the command's socket: the option for its protocol.
func innerName(name string) string {
	switch name {
	case "https":
		return "http"
	case "https-socket":
		return "http-socket"
	}
	return name
}

// frontOf divides the sockets between the command and the built-in server before it. Without
// such a server, which is at path, they all belong to the command.
func frontOf(o *config.Vassal, path string, sets [][]*sockets.Socket) (*workers.Front, [][]*sockets.Socket, error) {
	if !o.Fronted() || len(sets) == 0 {
		return nil, sets, nil
	}
	front := &workers.Front{Program: &workers.Program{}}
	var rest []*sockets.Socket
	for _, s := range sets[0] {
		if s.Front() != nil || !o.Fronts(s.Name) {
			rest = append(rest, s)
			continue
		}
		front.Sockets = append(front.Sockets, s)
		front.Behind = append(front.Behind, behindOf(o, s, sets[0]))
	}
	if len(front.Sockets) == 0 {
		return nil, sets, nil
	}
	err := useServer(front.Program, o, path)
	if err == nil && !o.Server.Answers() {
		front.Program.Server, err = o.Server.Unlogged()
	}
	return front, [][]*sockets.Socket{rest}, err
}

// behindOf returns the target for requests of a socket that the built-in server does not
// answer itself.
func behindOf(o *config.Vassal, s *sockets.Socket, all []*sockets.Socket) workers.Behind {
	if s.Name == "stats" || len(o.Server.HTTPTo) > 0 {
		return workers.Behind{}
	}
	before := s
	if to := o.Routed(); to != nil && !needsInner(o, s) {
		i := slices.IndexFunc(all, func(other *sockets.Socket) bool { return other.Name == to.Name && other.Address == to.Address })
		if i < 0 {
			return workers.Behind{}
		}
		before = all[i]
	}
	b := workers.Behind{Protocol: o.Spoken(before.Name), Socket: before}
	if i := slices.IndexFunc(all, func(inner *sockets.Socket) bool { return inner.Front() == before }); i >= 0 {
		b.Socket = all[i]
	}
	return b
}
