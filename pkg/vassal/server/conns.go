package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
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
}

// conn is a connection whose client must keep taking what is sent.
type conn struct {
	net.Conn
	owner   *connections
	timeout time.Duration
	idle    atomic.Int64 // since when it is between requests, in nanoseconds of Unix time; 0: it is not
	fresh   atomic.Bool  // something was read since it became idle
	h2      atomic.Bool  // its end is the business of net/http

	// refused is told of answers that net/http gives itself, to what is no request.
	// Nil: the connection speaks another protocol.
	refused   func(c *conn, status int)
	behind    *target     // where its requests go that nothing else answers; nil: nowhere
	begun     atomic.Bool // there was, or is, a request
	answering atomic.Bool // a handler has it
}

func (c *connections) add(n net.Conn, timeout time.Duration) *conn {
	made := &conn{Conn: n, owner: c, timeout: timeout}
	made.setIdle(true)
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
}

// leave closes connections that are between requests for as long as the grace,
// but not one on which a request has arrived meanwhile. It returns how many are
// open, and how many of those speak HTTP/2, which net/http ends.
func (c *connections) leave(since time.Time, grace time.Duration) (open, h2 int) {
	c.mu.Lock()
	var idle []*conn
	for n := range c.open {
		if n.h2.Load() {
			h2++
		} else if at := n.idle.Load(); at != 0 && time.Since(later(time.Unix(0, at), since)) >= grace && !n.fresh.Load() && !unread(n.Conn) {
			idle = append(idle, n)
		}
	}
	open = len(c.open) - len(idle)
	c.mu.Unlock()
	for _, n := range idle {
		n.Close()
	}
	return open, h2
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.fresh.Store(true)
	}
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	if c.refused != nil && c.begun.Load() && !c.h2.Load() && !c.answering.Load() {
		if status := refusal(b); status != 0 {
			c.refused(c, status)
		}
	}
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// refusal is the status of an answer, or zero. Of one in TLS there is only the size of
// its record to see, which is more than that of an alert.
func refusal(b []byte) (status int) {
	if text, ok := bytes.CutPrefix(b, []byte("HTTP/1.1 ")); ok && len(text) > 3 {
		status, _ = strconv.Atoi(string(text[:3]))
	} else if len(b) > 64 && b[0] == recordData {
		status = http.StatusBadRequest
	}
	return status
}

// recordData is the type of a TLS record with data (RFC 8446, section 5.1).
const recordData = 23

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

func (c *conn) Close() error {
	err := c.Conn.Close()
	c.owner.remove(c)
	return err
}

// setIdle notes the begin and the end of requests.
func (c *conn) setIdle(idle bool) {
	if !idle {
		c.idle.Store(0)
		return
	}
	c.fresh.Store(false)
	c.answering.Store(false)
	c.idle.Store(time.Now().UnixNano())
}

// note follows the states of net/http's connections.
func note(n net.Conn, state http.ConnState) {
	c := connOf(n)
	if c == nil || state == http.StateNew {
		return // it is idle from the start
	}
	if secure, ok := n.(*tls.Conn); ok && secure.ConnectionState().NegotiatedProtocol == "h2" {
		c.h2.Store(true)
	}
	c.begun.Store(true)
	c.setIdle(state == http.StateIdle)
}

// connOf is the connection below one that net/http has, or nil.
func connOf(n net.Conn) *conn {
	if secure, ok := n.(*tls.Conn); ok {
		n = secure.NetConn()
	}
	c, _ := n.(*conn)
	return c
}

// connKey is where a request keeps its conn.
type connKey struct{}

func keepConn(ctx context.Context, n net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, connOf(n))
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
	conns   *connections
	timeout time.Duration
	refused func(c *conn, status int) // that of its connections
	behind  *target                   // that of its connections
}

func (l *listener) Accept() (net.Conn, error) {
	n, err := l.Listener.Accept()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, errDrained
	}
	if err != nil {
		return nil, err
	}
	c := l.conns.add(n, l.timeout)
	c.refused, c.behind = l.refused, l.behind
	return c, nil
}

// acceptSoon accepts as Accept does, but waits out being short of descriptors.
func (l *listener) acceptSoon() (*conn, error) {
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		n, err := l.Accept()
		var t interface{ Temporary() bool }
		if errors.As(err, &t) && t.Temporary() {
			<-time.After(wait)
			continue
		}
		if err != nil {
			return nil, err
		}
		return n.(*conn), nil
	}
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
