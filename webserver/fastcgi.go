package webserver

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"sync"
	"sync/atomic"
	"time"
)

// Records of FastCGI, as far as their sizes and ends matter here.
const (
	fcgiBegin  = 1
	fcgiAbort  = 2
	fcgiEnd    = 3
	fcgiParams = 4
	fcgiStdin  = 5
	fcgiStderr = 7
)

// fcgiRequests limits the open requests of a connection; nginx has one.
const fcgiRequests = 16

// Errors that end a connection with too large demands.
var (
	errParams   = errors.New("FastCGI parameters are larger than buffer-size")
	errRequests = errors.New("too many FastCGI requests at a time")
)

// serveFastCGI serves a socket until it is stopped. Each connection has a handler of its own,
// because net/http/fcgi does not tell a handler the connection of a request.
func (s *server) serveFastCGI(l *listener) error {
	for {
		c, err := l.acceptSoon()
		if err != nil {
			return err
		}
		f := &fcgiConn{conn: c, server: s}
		_ = f.SetReadDeadline(time.Now().Add(headerTimeout)) // a closed connection is detected by reading
		_ = fcgi.Serve(&onlyConn{Listener: l, conn: f}, f)   // which continues without it
	}
}

// onlyConn is a listener that accepts one connection.
type onlyConn struct {
	net.Listener
	conn net.Conn
}

func (l *onlyConn) Accept() (net.Conn, error) {
	c := l.conn
	if l.conn = nil; c == nil {
		return nil, errDrained
	}
	return c, nil
}

// fcgiConn parses the records that pass through it. It limits the size of parameters, and the
// time that a frontend may take for them and for the body. While a request is answered there
// is no time limit: net/http/fcgi reads ahead.
type fcgiConn struct {
	*conn
	server *server
	params int          // bytes, of all open requests
	open   atomic.Int32 // requests begun and not ended
	head   [8]byte
	have   int // bytes of the header
	left   int // bytes of content and padding to come

	mu      sync.Mutex
	wanted  context.Context // context of the open requests; done when no client waits for an answer any more
	abandon context.CancelFunc
}

// ServeHTTP answers a request of this connection.
func (f *fcgiConn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	wanted := f.wanted
	f.mu.Unlock()
	whole := false
	defer func() {
		if !whole && wanted.Err() == nil { // a frontend would read the end of the request as the end of the answer
			f.Close()
		}
	}()
	defer f.server.survive()
	vars := fcgi.ProcessEnv(r)
	if r.RequestURI = cmp.Or(r.RequestURI, vars["REQUEST_URI"]); r.RequestURI == "" {
		r.RequestURI = r.URL.RequestURI()
	}
	if r.ContentLength < 0 {
		http.Error(w, "bad request", http.StatusBadRequest)
		f.server.refused(f.conn, http.StatusBadRequest)
		whole = true
		return
	}
	if r.ContentLength > 0 {
		r.Body = &exactBody{r.Body, r.ContentLength}
	}
	f.server.ServeHTTP(w, r.WithContext(context.WithValue(context.WithValue(wanted, connKey{}, f.conn), protocolKey{}, protocolInfo{vars: vars})))
	whole = true
}

func (f *fcgiConn) Read(b []byte) (int, error) {
	n, err := f.conn.Read(b)
	if n > 0 {
		if bad := f.follow(b[:n]); bad != nil {
			return 0, bad
		}
	}
	return n, err
}

// exactBody must have the length of CONTENT_LENGTH; otherwise the request is not processed
// (FastCGI specification, section 6.2).
type exactBody struct {
	io.ReadCloser
	left int64
}

func (b *exactBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch b.left -= int64(n); {
	case b.left < 0:
		return 0, errors.New("the body is longer than CONTENT_LENGTH")
	case errors.Is(err, io.EOF) && b.left > 0:
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Close is also called when nothing more can be read.
func (f *fcgiConn) Close() error {
	f.unwanted()
	return f.conn.Close()
}

// begins records an open request. Concurrent requests share one context, because a handler's
// request cannot be identified.
func (f *fcgiConn) begins(first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if first || f.wanted.Err() != nil {
		f.wanted, f.abandon = context.WithCancel(context.Background())
	}
}

// unwanted ends the open requests.
func (f *fcgiConn) unwanted() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.abandon != nil {
		f.abandon()
	}
}

// follow parses bytes as they arrive.
func (f *fcgiConn) follow(b []byte) error {
	for len(b) > 0 {
		if f.left > 0 {
			n := min(f.left, len(b))
			f.left, b = f.left-n, b[n:]
			continue
		}
		n := copy(f.head[f.have:], b)
		f.have, b = f.have+n, b[n:]
		if f.have < len(f.head) {
			return nil
		}
		size := int(f.head[4])<<8 | int(f.head[5])
		f.have, f.left = 0, size+int(f.head[6])
		if err := f.record(f.head[1], size); err != nil {
			return err
		}
	}
	return nil
}

func (f *fcgiConn) record(kind byte, size int) error {
	wait := time.Now().Add(f.timeout)
	switch kind {
	case fcgiBegin:
		f.setIdle(false)
		wait = time.Now().Add(headerTimeout) // for all parameters
		open := f.open.Add(1)
		if open > fcgiRequests {
			return errRequests
		}
		if open == 1 {
			f.params = 0
		}
		f.begins(open == 1)
	case fcgiAbort:
		if f.open.Load() == 1 { // otherwise concurrent requests would end with it; no frontend has several
			f.unwanted()
		}
		return nil
	case fcgiParams:
		if f.params += size; f.params > f.server.Options.BufferSize {
			return errParams
		}
		if size > 0 {
			return nil
		}
	case fcgiStdin:
		if size == 0 {
			wait = time.Time{} // the request is complete
		}
	}
	return f.SetReadDeadline(wait)
}

// Write gets one record at a time. It marks the connection as idle at the last record of the
// last request. When the server is stopping, it closes the connection then, so that a frontend
// that keeps it connects again.
func (f *fcgiConn) Write(b []byte) (int, error) {
	over := len(b) >= len(f.head) && b[1] == fcgiEnd && f.ends()
	if over {
		f.setIdle(true)
		_ = f.SetReadDeadline(time.Now().Add(f.server.Options.KeepAlive))
	}
	if len(b) > len(f.head) && b[1] == fcgiStderr { // net/http/fcgi reports errors in the parameters here
		f.server.Log.Warn("refused a request", "error", string(b[len(f.head):len(b)-int(b[6])]))
		f.server.refused(f.conn, http.StatusInternalServerError)
	}
	n, err := f.conn.Write(b)
	if over && f.server.draining.Load() {
		f.Close()
	}
	return n, err
}

// ends counts the end of a request, and reports whether none is open any more. A request that
// was cancelled while it was answered ends twice.
func (f *fcgiConn) ends() bool {
	for {
		open := f.open.Load()
		if open <= 0 {
			return true
		}
		if f.open.CompareAndSwap(open, open-1) {
			return open == 1
		}
	}
}
