package webserver

import (
	"bufio"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"slices"
	"strings"
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
)

// hopHeaders belong to one connection (RFC 9110, section 7.6.1).
var hopHeaders = []string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// relayed are the headers of a request that a target does not get from the client.
var relayed = append([]string{"Forwarded", forwardedFor, forwardedHost, forwardedProto}, hopHeaders...)

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
	if c := t.pool.take(); c != nil {
		if d.exchangeWith(c, p, t, true) {
			return true
		}
		t.pool.pause(0) // the others are closed, too
	}
	conn, err := t.connect()
	return err == nil && d.exchangeWith(&keptConn{Conn: conn, born: time.Now()}, p, t, false)
}

// exchangeWith passes the request on by a connection. It returns false when a kept one ended without an answer.
func (d *direct) exchangeWith(c *keptConn, p *proxy, t *target, kept bool) bool {
	keep := t.pool.keeps(c.born)
	from := watchful{Conn: c, client: d, pool: t.pool}
	in := repliesFrom(&from)
	defer in.release()
	part := copyBuffers{}.Get()
	defer copyBuffers{}.Put(part)
	_, err := c.Write(t.head(part[:0], &d.request.Request, p.trust || t.own, keep))
	var answer *http.Response
	if err == nil {
		answer, err = in.next(&d.request.Request, d.w.inform)
	}
	if err == nil {
		defer answer.Body.Close()
		keep = d.relay(in.in, part[:relayPart], answer) && keep && !answer.Close && in.in.Buffered() == 0 && !d.w.silent && hasBody(answer.StatusCode)
	}
	from.end()
	if err == nil && keep {
		t.pool.put(c)
		return true
	}
	c.Close()
	left := from.left.Load()
	if err != nil && kept && in.silent() && !left {
		return false
	}
	if err != nil {
		refuseProxied(&d.x, err, left, p.log)
	}
	return true
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
func (d *direct) relay(in *bufio.Reader, part []byte, answer *http.Response) bool {
	err := d.relayParts(in, part, answer)
	if err == nil {
		return true
	}
	if d.w.flush(); d.w.err == nil {
		d.w.err = err // the client must not take the answer for a complete one
	}
	return false
}

func (d *direct) relayParts(in *bufio.Reader, part []byte, answer *http.Response) error {
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
	if d.w.chunked && in.Buffered() == 0 {
		d.x.WriteHeader(answer.StatusCode)
		d.w.flush()
	}
	for {
		n, err := answer.Body.Read(part)
		if n > 0 {
			if d.x.result.status == 0 && h["Content-Type"] == nil && h["Content-Encoding"] == nil {
				d.w.kind = http.DetectContentType(part[:n])
			}
			d.x.WriteHeader(answer.StatusCode)
			if _, err := d.x.Write(part[:n]); err != nil {
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
		if in.Buffered() == 0 {
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
	heard  bool // the target has sent something
	left   atomic.Bool
	done   chan struct{} // closed when the client is not watched any more; nil: it was never watched
}

// Read is io.Reader.
func (w *watchful) Read(b []byte) (n int, err error) {
	if w.done == nil {
		if err := w.SetReadDeadline(time.Now().Add(relaySilence)); err != nil {
			return 0, err
		}
		if n, err = w.Conn.Read(b); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			w.heard = true
			return n, err
		}
		if err := w.SetReadDeadline(time.Time{}); err != nil {
			return 0, err
		}
		if !w.heard {
			w.pool.pause(keptPause)
		}
		w.watch()
	}
	return w.Conn.Read(b)
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
