package server

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lastCall is how long a socket is still accepted from after the end of
// accepting: what waits in its queue would be reset if nobody else shares it.
const lastCall = 50 * time.Millisecond

// sendStep bounds what is sent in one go, so that a deadline is about progress.
const sendStep = 1 << 20

// errDrained is what Accept returns when the last call is over.
var errDrained = errors.New("no longer accepting")

// connections are the open ones of a server.
type connections struct {
	mu   sync.Mutex
	open map[*conn]struct{}
	gone chan struct{} // closed when the last one ends, if somebody waits
}

// conn is a connection whose client must keep taking what is sent.
type conn struct {
	net.Conn
	owner   *connections
	timeout time.Duration
	web     bool        // its life is the business of net/http
	idle    atomic.Bool // between requests
	fresh   atomic.Bool // something was read since it became idle
	spared  atomic.Bool // an end while idle was put off once
}

func (c *connections) add(n net.Conn, timeout time.Duration, web bool) *conn {
	made := &conn{Conn: n, owner: c, timeout: timeout, web: web}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = map[*conn]struct{}{}
	}
	c.open[made] = struct{}{}
	return made
}

func (c *connections) remove(n *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, n)
	if len(c.open) == 0 && c.gone != nil {
		close(c.gone)
		c.gone = nil
	}
}

// none returns a channel that is closed when no connection is open.
func (c *connections) none() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	gone := c.gone
	if gone == nil {
		gone = make(chan struct{})
		if len(c.open) == 0 {
			close(gone)
		} else {
			c.gone = gone
		}
	}
	return gone
}

// settle waits until no connection is open, for at most that long.
func (c *connections) settle(atMost time.Duration) {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-c.none():
	case <-timer.C:
	}
}

func (c *connections) wait() { <-c.none() }

// closeIdle closes what net/http does not: connections of the other protocols
// that are between requests.
func (c *connections) closeIdle() {
	c.mu.Lock()
	var idle []*conn
	for n := range c.open {
		if !n.web && n.idle.Load() {
			idle = append(idle, n)
		}
	}
	c.mu.Unlock()
	for _, n := range idle {
		n.Close()
	}
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.fresh.Store(true)
	}
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// ReadFrom keeps sendfile(2) possible.
func (c *conn) ReadFrom(r io.Reader) (n int64, err error) {
	limited, ok := r.(*io.LimitedReader)
	to, can := c.Conn.(io.ReaderFrom)
	if !ok || !can {
		return io.Copy(writerOnly{c}, r)
	}
	for limited.N > 0 {
		if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
			return n, err
		}
		part := io.LimitedReader{R: limited.R, N: min(limited.N, sendStep)}
		sent, err := to.ReadFrom(&part)
		n += sent
		limited.N -= sent
		if err != nil || sent == 0 {
			return n, err
		}
	}
	return n, nil
}

type writerOnly struct{ io.Writer }

// CloseWrite lets net/http say goodbye before it stops reading.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close ends the connection, with one exception: net/http closes idle ones when
// it shuts down, and a request may have arrived on it an instant before. Then the
// end is put off: the request is read, answered and told that it was the last.
func (c *conn) Close() error {
	if c.idle.Load() && (c.fresh.Load() || unread(c.Conn)) && c.spared.CompareAndSwap(false, true) {
		time.AfterFunc(headerTimeout, func() {
			if c.idle.Load() {
				c.end()
			}
		})
		return nil
	}
	return c.end()
}

func (c *conn) end() error {
	err := c.Conn.Close()
	c.owner.remove(c)
	return err
}

// setIdle notes the begin and the end of requests.
func (c *conn) setIdle(idle bool) {
	if idle {
		c.fresh.Store(false)
	}
	c.idle.Store(idle)
}

// note follows the states of net/http's connections.
func note(n net.Conn, state http.ConnState) {
	if t, ok := n.(*tls.Conn); ok {
		n = t.NetConn()
	}
	if c, ok := n.(*conn); ok {
		c.setIdle(state == http.StateIdle)
	}
}

// unread reports whether bytes wait in the socket.
func unread(n net.Conn) bool {
	s, ok := n.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return false
	}
	waiting := 0
	err = raw.Control(func(fd uintptr) { waiting, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }) // FIONREAD
	return err == nil && waiting > 0
}

// listener hands out conns and can be told to stop without a connection lost.
type listener struct {
	net.Listener
	web     bool
	conns   *connections
	timeout time.Duration
}

func (l *listener) Accept() (net.Conn, error) {
	n, err := l.Listener.Accept()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, errDrained
	}
	if err != nil {
		return nil, err
	}
	return l.conns.add(n, l.timeout, l.web), nil
}

// stop ends Accept after the last call.
func (l *listener) stop() {
	if d, ok := l.Listener.(interface{ SetDeadline(time.Time) error }); ok {
		if d.SetDeadline(time.Now().Add(lastCall)) == nil {
			return
		}
	}
	l.Close()
}
