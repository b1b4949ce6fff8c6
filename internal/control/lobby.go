package control

import (
	"context"
	"net"
	"slices"
	"sync"
)

// maxGuests limits the connections of one socket. It exceeds the number of those that may stay
// (maxStaying, of each kind).
const maxGuests = 256

// lobby is a listener that accepts every client and limits the number of connections: beyond
// the limit it closes the connection of the lowest rank, and of several such the oldest. A
// silent client does not prevent others from asking.
type lobby struct {
	net.Listener
	most  int
	admit func(net.Conn) error // nil: every client is admitted

	mu     sync.Mutex
	guests []*guest // the oldest first
}

// Lobby limits the connections of l to 256: a new one closes the oldest.
func Lobby(l net.Listener) net.Listener { return newLobby(l) }

func newLobby(l net.Listener) *lobby { return &lobby{Listener: l, most: maxGuests} }

// rank is the importance of a connection.
type rank int

const (
	refused rank = iota // not admitted: it only gets the reason
	silent              // without a request in progress
	asking              // with a request in progress
	staying             // it follows or waits: fewer than maxGuests may
)

// guest is a connection of a lobby.
type guest struct {
	net.Conn
	lobby   *lobby
	refused error // the reason why it is not admitted; nil: it is
	rank    rank  // protected by the lobby
}

// Accept implements net.Listener.
func (l *lobby) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	g := &guest{Conn: c, lobby: l, rank: silent}
	if l.admit != nil {
		if g.refused = l.admit(c); g.refused != nil {
			g.rank = refused
		}
	}
	if leaving := l.enter(g); leaving != nil {
		_ = leaving.Close()
	}
	return g, nil
}

// enter adds a guest and returns the guest to close for it. Nil: none.
func (l *lobby) enter(g *guest) (leaving *guest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.guests) >= l.most {
		leaving = slices.MinFunc(l.guests, func(a, b *guest) int { return int(a.rank - b.rank) })
	}
	if leaving != nil && g.rank < leaving.rank {
		leaving = g
	}
	l.guests = append(l.guests, g)
	return leaving
}

// Close implements net.Conn.
func (g *guest) Close() error {
	l := g.lobby
	l.mu.Lock()
	l.guests = slices.DeleteFunc(l.guests, func(other *guest) bool { return other == g })
	l.mu.Unlock()
	return g.Conn.Close()
}

// becomes sets the rank of the connection.
func (g *guest) becomes(r rank) {
	g.lobby.mu.Lock()
	defer g.lobby.mu.Unlock()
	g.rank = r
}

type guestKey struct{}

// withGuest is an http.Server's ConnContext.
func withGuest(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, guestKey{}, c)
}

// guestOf returns the connection of a request's context.
func guestOf(ctx context.Context) *guest {
	g, _ := ctx.Value(guestKey{}).(*guest)
	return g
}
