package control

import (
	"context"
	"net"
	"slices"
	"sync"
)

// maxConnections limits the connections of one socket. It is larger than the number of
// connections that may stay (maxLongRequests, of each kind).
const maxConnections = 256

// limitedListener accepts every client and limits the number of connections. Beyond the limit it
// closes the oldest connection of the lowest rank, so that silent clients do not block others.
type limitedListener struct {
	net.Listener
	most  int
	admit func(net.Conn) (Rights, error) // nil: every client is admitted

	mu    sync.Mutex
	conns []*limitedConn // the oldest first
}

// LimitConnections limits the connections of l to 256. A new connection closes the oldest.
func LimitConnections(l net.Listener) net.Listener { return newLimited(l) }

func newLimited(l net.Listener) *limitedListener {
	return &limitedListener{Listener: l, most: maxConnections}
}

// rank is the importance of a connection.
type rank int

const (
	refused rank = iota // not admitted: it only receives the reason
	silent              // without a request in progress
	asking              // with a request in progress
	staying             // follows or waits; fewer than maxConnections have this rank
	trusted             // is added to the rank of clients that command the emperor
)

// limitedConn is a connection of a limitedListener.
type limitedConn struct {
	net.Conn
	listener *limitedListener
	rights   Rights
	refused  error // the reason of the refusal; nil: admitted
	rank     rank  // protected by the listener
}

// Accept implements net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	g := &limitedConn{Conn: c, listener: l, rank: silent}
	if l.admit != nil {
		g.rights, g.refused = l.admit(c)
		if g.rank = g.ranks(silent); g.refused != nil {
			g.rank = refused
		}
	}
	if leaving := l.enter(g); leaving != nil {
		_ = leaving.Close()
	}
	return g, nil
}

// enter adds a connection, and returns the connection to close in exchange. Nil: none.
func (l *limitedListener) enter(g *limitedConn) (leaving *limitedConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.conns) >= l.most {
		leaving = slices.MinFunc(l.conns, func(a, b *limitedConn) int { return int(a.rank - b.rank) })
	}
	if leaving != nil && g.rank < leaving.rank {
		leaving = g
	}
	l.conns = append(l.conns, g)
	return leaving
}

// Close implements net.Conn.
func (g *limitedConn) Close() error {
	l := g.listener
	l.mu.Lock()
	l.conns = slices.DeleteFunc(l.conns, func(other *limitedConn) bool { return other == g })
	l.mu.Unlock()
	return g.Conn.Close()
}

// becomes sets the rank of the connection.
func (g *limitedConn) becomes(r rank) {
	g.listener.mu.Lock()
	defer g.listener.mu.Unlock()
	g.rank = g.ranks(r)
}

// ranks returns the rank of a connection of this client: tenants displace no operator.
func (g *limitedConn) ranks(r rank) rank {
	if g.rights.All == Govern {
		r += trusted
	}
	return r
}

type connKey struct{}

// withConn is an http.Server's ConnContext.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// connOf returns the connection of a request's context.
func connOf(ctx context.Context) *limitedConn {
	g, _ := ctx.Value(connKey{}).(*limitedConn)
	return g
}
