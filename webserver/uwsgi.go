package webserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/emperor-go/emperor/internal/uwsgiproto"
)

// readVars reads the variables of a request, which is one packet; the body follows it. most
// limits the size of the packet. The answer is an HTTP/1.0 response; the connection closes
// after it.
func readVars(r io.Reader, most int) (vars map[string]string, size int, err error) {
	header, err := uwsgiproto.ReadHeader(r)
	switch {
	case err != nil:
		return nil, 0, err
	case header.Modifier != uwsgiproto.Request:
		return nil, 0, fmt.Errorf("%w: modifier %d is not supported", uwsgiproto.ErrPacket, header.Modifier)
	case header.Size > most:
		return nil, 0, fmt.Errorf("%w: %d bytes are more than buffer-size", uwsgiproto.ErrPacket, header.Size)
	}
	body, err := header.ReadBody(r)
	if err != nil {
		return nil, 0, err
	}
	vars, err = uwsgiproto.Vars(body)
	return vars, header.Size, err
}

// newRequest makes a request from CGI variables. A missing SERVER_PROTOCOL means HTTP/1.0. As
// in uWSGI, the path is PATH_INFO, which a frontend may have rewritten; REQUEST_URI is the
// client's original path.
func newRequest(vars map[string]string) (*http.Request, error) {
	if vars["SERVER_PROTOCOL"] == "" {
		vars["SERVER_PROTOCOL"] = "HTTP/1.0"
	}
	if vars["REQUEST_URI"] == "" && vars["PATH_INFO"] == "" {
		return nil, fmt.Errorf("%w: neither REQUEST_URI nor PATH_INFO", uwsgiproto.ErrPacket)
	}
	r, err := cgi.RequestFromMap(vars)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", uwsgiproto.ErrPacket, err)
	}
	if r.ContentLength < 0 {
		return nil, fmt.Errorf("%w: bad CONTENT_LENGTH %q", uwsgiproto.ErrPacket, vars["CONTENT_LENGTH"])
	}
	if info := vars["PATH_INFO"]; strings.HasPrefix(info, "/") {
		r.URL.Path, r.URL.RawPath = info, ""
		if query, ok := vars["QUERY_STRING"]; ok {
			r.URL.RawQuery = query
		}
	}
	if r.RequestURI = vars["REQUEST_URI"]; r.RequestURI == "" {
		r.RequestURI = r.URL.RequestURI()
	}
	return r, nil
}

// serveUwsgi serves a socket until it is stopped.
func (s *server) serveUwsgi(l *listener) error {
	return acceptAll(l, func(c *conn) {
		defer c.Close()
		defer s.survive()
		s.answerUwsgi(c)
	})
}

// acceptAll serves each connection on a goroutine of its own, and closes the listener at the end: no
// connection waits for a server that does not accept any more.
func acceptAll(l *listener, serve func(*conn)) error {
	defer l.Close()
	for {
		c, err := l.acceptSoon()
		if err != nil {
			return err
		}
		go serve(c)
	}
}

// survive keeps a handler's panic from ending the program, as net/http does.
func (s *server) survive() {
	if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // net/http panics with this very value
		s.config.Log.Error("a handler panicked", "panic", p, "stack", string(debug.Stack()))
	}
}

func (s *server) answerUwsgi(c *conn) {
	if c.SetReadDeadline(time.Now().Add(headerTimeout)) != nil {
		return
	}
	in := bufio.NewReader(c)
	vars, size, err := readVars(in, s.config.Options.BufferSize)
	c.setIdle(false)
	if err != nil {
		if errors.Is(err, uwsgiproto.ErrPacket) {
			s.config.Log.Warn("refused a request", "error", err)
		}
		return
	}
	_ = c.SetReadDeadline(time.Time{})
	w := &uwsgiWriter{conn: c, cgiWriter: cgiWriter{out: bufio.NewWriter(c), line: "HTTP/1.0 ", header: http.Header{}}}
	r, err := newRequest(vars)
	if err != nil {
		s.config.Log.Warn("refused a request", "error", err)
		http.Error(w, "bad request", http.StatusBadRequest)
		s.refused(c, http.StatusBadRequest)
		_ = w.finish()
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r = r.WithContext(context.WithValue(context.WithValue(ctx, connKey{}, c), protocolKey{}, protocolInfo{size: size, count: len(vars), vars: vars}))
	v := &vigil{conn: c, in: in, gone: cancel}
	if r.Body = http.NoBody; r.ContentLength > 0 {
		r.Body = &uwsgiBody{v, r.ContentLength}
	} else {
		v.begin()
	}
	defer w.finish() //nolint:errcheck // the client is gone
	defer v.end()
	s.ServeHTTP(w, r)
}

// uwsgiBody is a body of a known length.
type uwsgiBody struct {
	vigil *vigil
	left  int64
}

// Read returns at most the bytes of CONTENT_LENGTH. The error is io.ErrUnexpectedEOF for a client that ends before. Behind
// the body it watches for the end of the client.
func (b *uwsgiBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		b.vigil.begin()
		return 0, io.EOF
	}
	n, err := b.vigil.in.Read(p[:min(int64(len(p)), b.left)])
	if b.left -= int64(n); errors.Is(err, io.EOF) {
		b.vigil.gone()
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Close does nothing: the connection ends after the answer.
func (b *uwsgiBody) Close() error { return nil }

// vigil detects the end of a client that sends nothing more, as net/http does.
type vigil struct {
	conn *conn
	in   *bufio.Reader
	gone func()

	mu    sync.Mutex
	over  bool
	ended chan struct{} // nil: it has not begun
}

func (v *vigil) begin() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.over || v.ended != nil {
		return
	}
	ended := make(chan struct{})
	v.ended = ended
	go func() {
		defer close(ended)
		if _, err := v.in.Peek(1); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			v.gone()
		}
	}()
}

func (v *vigil) end() {
	v.mu.Lock()
	v.over = true
	ended := v.ended
	v.mu.Unlock()
	if ended != nil {
		_ = v.conn.SetReadDeadline(time.Unix(1, 0))
		<-ended
	}
}

// protocolKey is the context key of a request's protocolInfo.
type protocolKey struct{}

// uwsgiWriter writes an answer and closes its connection.
type uwsgiWriter struct {
	cgiWriter
	conn *conn
}

// SetReadDeadline is for http.ResponseController.
func (w *uwsgiWriter) SetReadDeadline(t time.Time) error { return w.conn.SetReadDeadline(t) }

// finish sends the rest and half-closes. Without the half-close, an unread body would make the
// kernel reset the connection before the client has the answer.
func (w *uwsgiWriter) finish() error {
	w.flushHeader()
	if err := w.out.Flush(); err != nil {
		return err
	}
	if err := w.conn.CloseWrite(); err != nil {
		return err
	}
	if err := w.conn.SetReadDeadline(time.Now().Add(lingerTime)); err != nil {
		return err
	}
	_, err := io.CopyN(io.Discard, w.conn, lingerBytes)
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 256 << 10
)
