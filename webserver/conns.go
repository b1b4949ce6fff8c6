package webserver

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/backoff"
)

// lastCall is how long a socket is still accepted from after the end of accepting: the kernel
// would reset the connections in its queue when no other process shares the socket.
const lastCall = 50 * time.Millisecond

// sendStep limits the bytes of one write, so that a deadline measures progress.
const sendStep = 1 << 20

// epoch is a moment before all connections. Times that count from it do not jump with the clock.
var epoch = time.Now()

// errDrained is returned by Accept after the last call.
var errDrained = errors.New("no longer accepting")

// connections are the open connections of a server.
type connections struct {
	mu   sync.Mutex
	open map[*conn]struct{}
}

// conn is a connection whose client must keep reading.
type conn struct {
	net.Conn
	owner   *connections
	timeout time.Duration
	idle    atomic.Int64 // the start of the time between two requests, in nanoseconds after epoch; 0: a request is in progress
	fresh   atomic.Bool  // something was read since it became idle
	h2      atomic.Bool  // HTTP/2: net/http closes it

	// called for answers that net/http itself gives to invalid requests. Nil: the connection
	// speaks another protocol.
	refused   func(c *conn, status int)
	proxied   *proxied    // nil: no header of the PROXY protocol
	behind    *target     // target of requests that no other source answers; nil: none
	given     []byte      // read already, for net/http
	begun     atomic.Bool // it has or had a request
	answering atomic.Bool // a handler has it
	half      atomic.Bool // its sending side is closed
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

// leave closes connections that have been between requests for the grace, unless a request has
// arrived in the meantime. It returns the number of open connections, and the number of these
// that speak HTTP/2, which net/http closes.
func (c *connections) leave(since time.Time, grace time.Duration) (open, h2 int) {
	c.mu.Lock()
	var idle []*conn
	for n := range c.open {
		if n.h2.Load() {
			h2++
		} else if at := n.idle.Load(); at != 0 && time.Since(later(epoch.Add(time.Duration(at)), since)) >= grace && !n.fresh.Load() && !unread(n.Conn) {
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

// abort closes all connections.
func (c *connections) abort() {
	c.mu.Lock()
	list := slices.Collect(maps.Keys(c.open))
	c.mu.Unlock()
	for _, n := range list {
		_ = n.end()
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Read returns bytes behind the header of the PROXY protocol, where the connection has one.
func (c *conn) Read(b []byte) (int, error) {
	if c.proxied != nil {
		return c.proxied.read(c, b)
	}
	return c.receive(b)
}

// receive reads from the kernel.
func (c *conn) receive(b []byte) (int, error) {
	if len(c.given) > 0 {
		n := copy(b, c.given)
		if c.given = c.given[n:]; len(c.given) == 0 {
			c.given = nil // its memory
		}
		return n, nil
	}
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.fresh.Store(true)
	}
	return n, err
}

// Write sends b within the connection's timeout. An answer that net/http sends itself, without a handler, is logged
// as a refused request.
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

// refusal returns the status of an answer, or zero. Of an answer in TLS only the size of its
// record is visible, which is larger than an alert.
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

// ReadFrom lets the kernel use sendfile(2).
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

// CloseWrite lets net/http close the sending side before it stops reading.
func (c *conn) CloseWrite() error {
	c.half.Store(true)
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close closes the connection and removes it from the list of its server. With unread bytes, such as of the next
// request, the kernel would drop the part of an answer that it has not sent yet. Then the sending side closes at
// once, and the rest after the end of the client or a short time (RFC 9112, section 9.6).
func (c *conn) Close() error {
	if c.begun.Load() && !c.half.Load() && unread(c.Conn) && c.CloseWrite() == nil {
		go c.linger()
		return nil
	}
	return c.end()
}

// linger reads until the client has closed the connection, and closes it.
func (c *conn) linger() {
	defer c.end() //nolint:errcheck // the client is gone
	if c.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
	}
}

// end closes the connection at once.
func (c *conn) end() error {
	err := c.Conn.Close()
	c.owner.remove(c)
	return err
}

// setIdle records the start and the end of requests.
func (c *conn) setIdle(idle bool) {
	if !idle {
		c.idle.Store(0)
		return
	}
	c.fresh.Store(false)
	c.answering.Store(false)
	c.idle.Store(int64(time.Since(epoch)))
}

// note follows the states of net/http's connections.
func note(n net.Conn, state http.ConnState) {
	c := connOf(n)
	if c == nil || state == http.StateNew {
		return // a new connection is idle already
	}
	if secure, ok := n.(*tls.Conn); ok && secure.ConnectionState().NegotiatedProtocol == "h2" {
		c.h2.Store(true)
	}
	c.begun.Store(true)
	c.setIdle(state == http.StateIdle)
}

// connOf returns the conn below a connection of net/http, or nil.
func connOf(n net.Conn) *conn {
	if secure, ok := n.(*tls.Conn); ok {
		n = secure.NetConn()
	}
	c, _ := n.(*conn)
	return c
}

// connKey is the context key of a request's conn.
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

// listener returns conns, and can be stopped without losing a connection.
type listener struct {
	net.Listener
	conns   *connections
	timeout time.Duration
	refused func(c *conn, status int) // of its connections
	behind  *target                   // of its connections
	proxied func(net.Conn) *proxied   // beginning of its connections; nil: requests only
}

// Accept returns the next connection, which is in the list of its server. The error is errDrained after
// the last call.
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
	if l.proxied != nil {
		c.proxied = l.proxied(n)
	}
	return c, nil
}

// acceptSoon accepts as Accept does, but retries when descriptors are exhausted.
func (l *listener) acceptSoon() (*conn, error) {
	pauses := backoff.Pauses{First: 5 * time.Millisecond, Longest: time.Second}
	for {
		n, err := l.Accept()
		var t interface{ Temporary() bool }
		if errors.As(err, &t) && t.Temporary() {
			<-time.After(pauses.Next())
			continue
		}
		if err != nil {
			return nil, err
		}
		return n.(*conn), nil
	}
}

// stop ends Accept after a time.
func (l *listener) stop(last time.Duration) {
	if d, ok := l.Listener.(interface{ SetDeadline(time.Time) error }); ok {
		if d.SetDeadline(time.Now().Add(last)) == nil {
			return
		}
	}
	l.Close()
}
