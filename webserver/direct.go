package webserver

import (
	"bytes"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Requests of files are read and answered here, with about half of the work of net/http: no goroutine,
// context or header table for each request, and few changes of deadlines. It takes only the requests that
// directRequest reads; net/http gets the connection, with all bytes that were read, at the first other one,
// and at the first one that neither a file nor relay.go answers. Files, headers, logs and statistics are the same for both.

// directHead is the largest head of a request that is read here.
const directHead = 4 << 10

// answersDirectly reports whether a file or a server behind this one may answer before net/http has read the request.
func (s *server) answersDirectly(l *listener) bool {
	return (len(s.answers.files.maps) > 0 || s.answers.passes(l.behind)) && len(s.answers.rules.list) == 0 && s.config.Options.RequestTimeout == 0 && l.proxied == nil
}

// serveHTTP serves a socket of HTTP until it is stopped.
func (s *server) serveHTTP(l *listener) error {
	if !s.answersDirectly(l) {
		return s.web.Serve(l)
	}
	rest := &handoff{server: s.web, addr: l.Addr(), conns: make(chan *conn), closed: make(chan struct{})}
	return acceptAll(l, func(c *conn) {
		defer s.survive()
		newDirect(s, c, rest).serve()
	})
}

// handoff is the listener by which net/http gets connections.
type handoff struct {
	server *http.Server
	addr   net.Addr
	conns  chan *conn
	begun  sync.Once
	closed chan struct{}
	closes sync.Once
}

// give passes a connection on. net/http closes it, or give does when net/http has ended.
func (h *handoff) give(c *conn) {
	h.begun.Do(func() {
		go func() {
			_ = h.server.Serve(h)
			_ = h.Close()
		}()
	})
	select {
	case h.conns <- c:
	case <-h.closed:
		c.Close()
	}
}

// Accept is net.Listener.
func (h *handoff) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close is net.Listener.
func (h *handoff) Close() error {
	h.closes.Do(func() { close(h.closed) })
	return nil
}

// Addr is net.Listener.
func (h *handoff) Addr() net.Addr { return h.addr }

// direct is a connection and its present request.
type direct struct {
	server *server
	conn   *conn
	rest   *handoff
	remote string
	// draining is the server's.
	draining func() bool

	in    [directHead]byte
	read  int       // bytes of in
	until time.Time // the read deadline

	request directRequest
	x       exchange
	w       directWriter
}

func newDirect(s *server, c *conn, rest *handoff) *direct {
	return &direct{server: s, conn: c, rest: rest, draining: s.draining.Load, w: directWriter{conn: c, header: http.Header{}}}
}

// serve answers requests until the connection ends or net/http has it.
func (d *direct) serve() {
	held := true
	defer func() {
		if held {
			d.conn.Close()
		}
	}()
	d.remote = d.conn.RemoteAddr().String()
	patience := headerTimeout
	for {
		if d.read == 0 {
			if d.await(patience) != nil {
				return
			}
			patience = d.server.config.Options.KeepAlive
		}
		d.conn.begun.Store(true)
		d.conn.setIdle(false)
		end := bytes.Index(d.in[:d.read], []byte("\r\n\r\n"))
		if end < 0 || !d.request.parse(string(d.in[:end+2])) || !d.answer() {
			held = false
			d.conn.setIdle(true) // net/http begins with a new connection
			d.conn.fresh.Store(true)
			d.conn.given = d.in[:d.read]
			d.rest.give(d.conn)
			return
		}
		if d.w.ends {
			return
		}
		d.read = copy(d.in[:], d.in[end+4:d.read])
		d.conn.setIdle(true)
	}
}

// await reads the beginning of a request, within a time that may be an eighth longer: a deadline that lasts
// is not changed for each request.
func (d *direct) await(patience time.Duration) (err error) {
	if now := time.Now(); d.until.Sub(now) < patience {
		d.until = now.Add(patience + patience/8)
		if err := d.conn.SetReadDeadline(d.until); err != nil {
			return err
		}
	}
	d.read, err = d.conn.Read(d.in[:])
	if d.read > 0 {
		return nil
	}
	return err
}

// answer answers the request, if a file or another server does.
func (d *direct) answer() (answered bool) {
	s, r := d.server, &d.request
	d.w.begin(&r.Request)
	r.RemoteAddr = d.remote
	d.x = exchange{
		ResponseWriter: &d.w, r: &r.Request, started: time.Now(), connection: connection{web: true, draining: d.draining},
		pages: s.config.Options.Pages,
	}
	x := &d.x
	d.conn.answering.Store(true)
	s.prepare(s.counters.active.Add(1))
	panics := true
	defer func() {
		if answered || panics {
			s.finish(x)
		} else {
			s.counters.active.Add(-1)
		}
	}()
	answered = s.answers.file(x) || d.pass()
	panics = false
	if answered {
		x.result.failed = d.w.finish() != nil || x.result.failed
	}
	return answered
}

// directRequest is a request of HTTP/1.1 without a body, and without a header that changes the connection.
type directRequest struct {
	http.Request
	url    url.URL
	values [maxDirectHeaders]string
}

// maxDirectHeaders is the number of headers of a direct request.
const maxDirectHeaders = 32

// parse reads the lines of a request. It returns false for every one that it does not know well; net/http
// reads that one again.
func (r *directRequest) parse(text string) bool {
	line, text, ok := cutLine(text)
	if !ok || !r.parseLine(line) {
		return false
	}
	for n := 0; text != ""; n++ {
		if line, text, ok = cutLine(text); !ok || n == maxDirectHeaders || !r.parseHeader(line, r.values[n:n+1:n+1]) {
			return false
		}
	}
	return r.Host != ""
}

// cutLine returns the text before the first end of a line, and the text after it.
func cutLine(text string) (line, rest string, ok bool) {
	for i := range len(text) {
		if text[i] == '\r' {
			return text[:i], text[min(i+2, len(text)):], i+1 < len(text) && text[i+1] == '\n'
		}
	}
	return "", "", false
}

// parseLine reads the first line.
func (r *directRequest) parseLine(line string) bool {
	header := r.Header
	if clear(header); header == nil {
		header = http.Header{}
	}
	r.Request = http.Request{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header, Body: http.NoBody, URL: &r.url}
	const get, head, version = http.MethodGet + " /", http.MethodHead + " /", " HTTP/1.1"
	switch {
	case len(line) >= len(get) && line[:len(get)] == get:
		r.Method = http.MethodGet
	case len(line) >= len(head) && line[:len(head)] == head:
		r.Method = http.MethodHead
	default:
		return false
	}
	end := len(line) - len(version)
	if end <= len(r.Method) || line[end:] != version {
		return false
	}
	r.RequestURI = line[len(r.Method)+1 : end]
	return r.parseTarget()
}

// parseTarget reads a target without encoded characters in its path.
func (r *directRequest) parseTarget() bool {
	target, query := r.RequestURI, len(r.RequestURI)
	for i := 1; i < len(target); i++ {
		switch c := target[i]; {
		case c == '?' && query == len(target):
			query = i
		case classes[c]&inPath != 0 && (c != '/' || i > 1):
		case i > query && (classes[c]&inPath != 0 || c == '?' || c == '%'):
		default:
			return false
		}
	}
	r.url = url.URL{Path: target[:query]}
	if query < len(target) {
		r.url.RawQuery = target[query+1:]
		r.url.ForceQuery = r.url.RawQuery == ""
	}
	return true
}

// parseHeader reads a header line. value is the place of its value.
func (r *directRequest) parseHeader(line string, value []string) bool {
	colon := 0
	for colon < len(line) && classes[line[colon]]&inToken != 0 {
		colon++
	}
	if colon == 0 || colon == len(line) || line[colon] != ':' {
		return false
	}
	text := line[colon+1:]
	for text != "" && (text[0] == ' ' || text[0] == '\t') {
		text = text[1:]
	}
	for text != "" && (text[len(text)-1] == ' ' || text[len(text)-1] == '\t') {
		text = text[:len(text)-1]
	}
	for i := range len(text) {
		if text[i] < ' ' && text[i] != '\t' || text[i] == 0x7f {
			return false
		}
	}
	name := http.CanonicalHeaderKey(line[:colon])
	switch name {
	case "Host":
		return r.parseHost(text)
	case "Connection":
		r.Close = strings.EqualFold(text, "close")
		if !r.Close && !strings.EqualFold(text, "keep-alive") {
			return false
		}
	case "Content-Length", "Transfer-Encoding", "Expect", "Upgrade", "Trailer", "Te", "Pragma", "Http2-Settings", "Proxy-Connection":
		return false
	}
	if _, twice := r.Header[name]; twice {
		return false
	}
	value[0] = text
	r.Header[name] = value
	return true
}

// parseHost reads the name of the server, which is given once.
func (r *directRequest) parseHost(text string) bool {
	for i := range len(text) {
		if classes[text[i]]&inHost == 0 {
			return false
		}
	}
	known := r.Host != ""
	r.Host = text
	return !known && text != ""
}

// The characters of a token (RFC 9110, section 5.6.2), of a path without encoding (RFC 3986, section 3.3),
// and of a host.
const (
	inToken = 1 << iota
	inPath
	inHost
)

var classes = func() (list [256]byte) {
	for c := range 256 {
		switch {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z':
			list[c] = inToken | inPath | inHost
		}
	}
	for text, class := range map[string]byte{"!#$%&'*+-.^_`|~": inToken, "/-._~!$&'()*+,;=:@": inPath, "-._:[]": inHost} {
		for _, c := range []byte(text) {
			list[c] |= class
		}
	}
	return list
}()
