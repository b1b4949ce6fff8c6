package webserver

import (
	"bufio"
	"errors"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Requests that direct.go has read and that no file answers are passed on here, with less than half of the
// work of httputil.ReverseProxy: no context, no copy of the request, no goroutine for each one. The target
// gets the same request, and the client the same answer; the tests compare both. A target that does not take
// the connection at once leaves the request to net/http, which waits and refuses as the options say.

const (
	// relaySilence is the time after which a target is slow: its client is watched, whose request ends when it leaves.
	relaySilence = 20 * time.Millisecond
	// relayPart is the most bytes of a body that are passed on at once.
	relayPart = 16 << 10
	// relayHead limits the head of an answer with the informational answers before it, as net/http does.
	relayHead = 10 << 20
)

var (
	errSilent   = errors.New("it closed the connection without an answer")
	errSwitched = errors.New("it changes to a protocol that the client did not ask for")
	errHead     = errors.New("the head of its answer is too large")
)

// hopHeaders belong to one connection (RFC 9110, section 7.6.1).
var hopHeaders = []string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// relayed are the headers of a request that a target does not get from the client.
var relayed = append([]string{"Forwarded", forwardedFor, forwardedHost, forwardedProto}, hopHeaders...)

// upstream is the connection to a target, with the memory that one answer needs.
type upstream struct {
	from watchful
	in   *bufio.Reader
	part []byte
}

var upstreams = sync.Pool{New: func() any {
	return &upstream{in: bufio.NewReaderSize(nil, 4<<10), part: make([]byte, relayPart)}
}}

// next returns the target of the next request.
func (p *proxy) next() *target { return &p.targets[(p.turn.Add(1)-1)%uint64(len(p.targets))] }

// passes reports whether requests that no file answers go to a server that speaks HTTP.
func (a *answers) passes(behind *target) bool {
	return len(a.cgi) == 0 && (a.proxy != nil || behind != nil && behind.protocol != "uwsgi")
}

// connect connects to a target. Only a distant one may take long.
func (t *target) connect() (net.Conn, error) {
	d := net.Dialer{KeepAlive: -1}
	if host, _, err := net.SplitHostPort(t.address); t.network == "tcp" && (err != nil || !net.ParseIP(host).IsLoopback()) {
		d.Timeout = dialTimeout
	}
	return d.Dial(t.network, t.address) //nolint:noctx // a context would cost a goroutine
}

// pass passes the request on. It returns false when no target has taken it.
func (d *direct) pass() bool {
	a, p, t := d.server.answers, d.server.answers.behind, d.conn.behind
	if !a.passes(t) {
		return false
	}
	if a.proxy != nil {
		p, t = a.proxy, a.proxy.next()
	}
	u := upstreams.Get().(*upstream)
	defer upstreams.Put(u)
	if c := t.pool.take(); c != nil {
		if d.exchangeWith(u, c, p, t, true) {
			return true
		}
		t.pool.pause(0) // the others are closed, too
	}
	conn, err := t.connect()
	return err == nil && d.exchangeWith(u, &keptConn{Conn: conn, born: time.Now()}, p, t, false)
}

// exchangeWith passes the request on by a connection. It returns false when a kept one ended without an answer.
func (d *direct) exchangeWith(u *upstream, c *keptConn, p *proxy, t *target, kept bool) bool {
	keep := t.pool.keeps(c.born)
	u.from = watchful{Conn: c, client: d, pool: t.pool, head: relayHead}
	u.in.Reset(&u.from)
	answer, err := d.ask(u, t, p.trust, keep)
	if err == nil {
		defer answer.Body.Close()
		keep = d.relay(u, answer) && keep && !answer.Close && u.in.Buffered() == 0 && !d.w.silent && hasBody(answer.StatusCode)
	}
	u.from.end()
	if err == nil && keep {
		t.pool.put(c)
		return true
	}
	c.Close()
	left := u.from.left.Load()
	if err != nil && kept && u.from.head == relayHead && !left {
		return false
	}
	if err != nil {
		refuseProxied(&d.x, err, left, p.log)
	}
	return true
}

// ask sends the request and reads the head of its answer.
func (d *direct) ask(u *upstream, t *target, trust, keep bool) (*http.Response, error) {
	if _, err := u.from.Write(t.head(u.part[:0], &d.request.Request, trust || t.own, keep)); err != nil {
		return nil, err
	}
	for {
		answer, err := http.ReadResponse(u.in, &d.request.Request)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil, errSilent
		case err != nil:
			return nil, err
		case answer.StatusCode >= http.StatusOK:
			u.from.head = math.MaxInt
			return answer, nil
		case answer.StatusCode == http.StatusSwitchingProtocols:
			return nil, errSwitched
		}
		d.w.inform(answer)
	}
}

// head appends the head of a request for a target. trusted: the client may be a proxy, whose addresses the
// target gets. keep: another request may follow. The target's own server is not an additional proxy: see forward.
func (t *target) head(b []byte, r *http.Request, trusted, keep bool) []byte {
	b = append(append(append(append(b, r.Method...), ' '), r.RequestURI...), " HTTP/1.1\r\nHost: "...)
	b = append(append(b, r.Host...), "\r\n"...)
	if !keep {
		b = append(b, "Connection: close\r\n"...)
	}
	for name, values := range r.Header {
		if !slices.Contains(relayed, name) {
			b = appendHeader(b, name, values[0])
		}
	}
	if client, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		if before := r.Header[forwardedFor]; trusted && len(before) > 0 {
			client = before[0] + ", " + client
		}
		b = appendHeader(b, forwardedFor, client)
	}
	host, scheme := r.Host, "http"
	if t.own {
		host, scheme = given(r, forwardedHost, host), given(r, forwardedProto, scheme)
	}
	b = appendHeader(appendHeader(b, forwardedHost, host), forwardedProto, scheme)
	return append(b, "\r\n"...)
}

// given returns the value of a header, or another one.
func given(r *http.Request, name, otherwise string) string {
	if values := r.Header[name]; len(values) > 0 {
		return values[0]
	}
	return otherwise
}

func appendHeader(b []byte, name, value string) []byte {
	return append(append(append(append(b, name...), ": "...), value...), "\r\n"...)
}

// relay sends an answer to the client. Its parts are sent as they come. It returns true at the end of the
// answer.
func (d *direct) relay(u *upstream, answer *http.Response) bool {
	err := d.relayParts(u, answer)
	if err == nil {
		return true
	}
	if d.w.flush(); d.w.err == nil {
		d.w.err = err // the client must not take the answer for a complete one
	}
	return false
}

func (d *direct) relayParts(u *upstream, answer *http.Response) error {
	h := d.x.Header()
	for _, line := range answer.Header["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			delete(answer.Header, textproto.CanonicalMIMEHeaderKey(textproto.TrimString(name)))
		}
	}
	for name, values := range answer.Header {
		if !slices.Contains(hopHeaders, name) {
			h[name] = append(h[name], values...)
		}
	}
	d.w.chunked = answer.ContentLength < 0
	if d.w.trailer = answer.Trailer; len(d.w.trailer) > 0 {
		h["Trailer"] = []string{strings.Join(slices.Sorted(maps.Keys(d.w.trailer)), ", ")}
	}
	if d.w.chunked && u.in.Buffered() == 0 {
		d.x.WriteHeader(answer.StatusCode)
		d.w.flush()
	}
	for {
		n, err := answer.Body.Read(u.part)
		if n > 0 {
			if d.x.result.status == 0 && h["Content-Type"] == nil && h["Content-Encoding"] == nil {
				d.w.kind = http.DetectContentType(u.part[:n])
			}
			d.x.WriteHeader(answer.StatusCode)
			if _, err := d.x.Write(u.part[:n]); err != nil {
				return err
			}
		}
		if err != nil {
			d.x.WriteHeader(answer.StatusCode)
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if u.in.Buffered() == 0 {
			d.w.flush()
		}
	}
}

// watchful reads the answer of a target. A client is watched while the target is silent: the connection to the
// target closes when the client has left.
type watchful struct {
	net.Conn
	client *direct
	pool   *pool
	head   int // bytes that may still be read
	left   atomic.Bool
	done   chan struct{} // closed when the client is not watched any more; nil: it was never watched
}

// Read is io.Reader.
func (w *watchful) Read(b []byte) (n int, err error) {
	if w.head <= 0 {
		return 0, errHead
	}
	if w.done == nil {
		if err := w.SetReadDeadline(time.Now().Add(relaySilence)); err != nil {
			return 0, err
		}
		if n, err = w.Conn.Read(b); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			w.head -= n
			return n, err
		}
		if err := w.SetReadDeadline(time.Time{}); err != nil {
			return 0, err
		}
		if w.head == relayHead {
			w.pool.pause(keptPause)
		}
		w.watch()
	}
	n, err = w.Conn.Read(b)
	w.head -= n
	return n, err
}

// watch begins to read the client's next request.
func (w *watchful) watch() {
	d := w.client
	w.done = make(chan struct{})
	_ = d.conn.SetReadDeadline(time.Time{})
	go func() {
		defer close(w.done)
		n, err := d.conn.Read(d.in[d.read:])
		d.read += n
		if n == 0 && err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			w.left.Store(true)
			w.Conn.Close()
		}
	}()
}

// end returns the client's connection to its reader.
func (w *watchful) end() {
	if w.done == nil {
		return
	}
	_ = w.client.conn.SetReadDeadline(time.Unix(1, 0))
	<-w.done
	w.client.until = time.Time{}
}
