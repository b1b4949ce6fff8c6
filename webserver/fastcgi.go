package webserver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cgi"
	"sync"
	"time"
)

// fcgiRequests limits the open requests of a connection; nginx has one.
const fcgiRequests = 16

// fcgiLinger limits the bytes that are read of the body of a request after its answer, before
// the connection is closed: the kernel would reset it otherwise, and the frontend would lose the
// answer.
const fcgiLinger = 100 << 20

// Errors that end a connection.
var (
	errParams   = errors.New("FastCGI parameters are larger than buffer-size")
	errRequests = errors.New("too many FastCGI requests at a time")
	errSequence = errors.New("FastCGI records in a wrong order")
	errAborted  = errors.New("the frontend has aborted the request")
	errOver     = errors.New("the connection is over")
)

// serveFastCGI serves a socket until it is stopped.
func (s *server) serveFastCGI(l *listener) error {
	return acceptAll(l, func(c *conn) { newFCGIConn(c, s).serve() })
}

// fcgiConn is a connection from a frontend, which may have several requests on it. One goroutine
// reads the records; each request is answered by a goroutine of its own.
type fcgiConn struct {
	*conn
	server  *server
	handler http.Handler

	mu        sync.Mutex // locked for each change and for each write
	open      map[uint16]*fcgiRequest
	idleSince time.Time // counts while no request is open
	idleTime  time.Duration
}

func newFCGIConn(c *conn, s *server) *fcgiConn {
	return &fcgiConn{conn: c, server: s, handler: s, open: map[uint16]*fcgiRequest{}, idleSince: time.Now(), idleTime: headerTimeout}
}

// fcgiPhase is how much of a request has arrived.
type fcgiPhase int

const (
	fcgiInParams fcgiPhase = iota
	fcgiInBody
	fcgiReceived
)

// fcgiRequest is a request from its begin record until it has been received and answered.
type fcgiRequest struct {
	id     uint16
	keep   bool // the connection stays open after it
	begun  time.Time
	phase  fcgiPhase
	params []byte
	body   *io.PipeWriter // nil: nothing of the body has arrived
	ctx    context.Context
	gone   context.CancelFunc // ends ctx: no client waits for the answer
	ended  bool               // its end record is sent: no other may follow
	unread int                // bytes of its body after the answer
}

// serve reads records until the end of the connection.
func (f *fcgiConn) serve() {
	defer f.abandon()
	for in := (fcgiReader{in: f.conn}); ; {
		if f.limitReading() != nil {
			return
		}
		r, err := in.next()
		if err == nil {
			err = f.take(r)
		}
		if err != nil {
			return
		}
	}
}

// abandon ends all requests and the connection.
func (f *fcgiConn) abandon() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.open {
		r.giveUp(errOver)
	}
	f.Close()
}

// limitReading sets the time until which the next record must arrive: all parameters of a
// request, the next part of a body, or the next request. While requests are only answered there
// is no limit.
func (f *fcgiConn) limitReading() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.open) == 0 {
		return f.SetReadDeadline(f.idleSince.Add(f.idleTime))
	}
	var until time.Time
	for _, r := range f.open {
		switch {
		case r.phase == fcgiInParams && (until.IsZero() || r.begun.Add(headerTimeout).Before(until)):
			until = r.begun.Add(headerTimeout)
		case r.phase == fcgiInBody && until.IsZero():
			until = time.Now().Add(f.timeout)
		}
	}
	return f.SetReadDeadline(until)
}

// take processes a record. Its error ends the connection. A record of an unknown request is
// ignored (FastCGI specification, section 3.3).
func (f *fcgiConn) take(rec fcgiRecord) error {
	if rec.id == 0 {
		return f.manage(rec)
	}
	if rec.kind == fcgiStdin {
		return f.takeBody(rec)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.open[rec.id]
	switch {
	case rec.kind == fcgiBegin:
		return f.begin(rec, r)
	case r == nil:
		return nil
	case rec.kind == fcgiParams && r.phase == fcgiInParams:
		if len(rec.content) == 0 {
			r.phase = fcgiInBody
		} else if r.params = append(r.params, rec.content...); len(r.params) > f.server.config.Options.BufferSize {
			return errParams
		}
	case rec.kind == fcgiAbort:
		r.giveUp(errAborted)
		r.phase = fcgiReceived
		return f.end(r, fcgiComplete)
	}
	return nil
}

// manage answers a record about the connection: the only value that a frontend may ask for and
// that has a meaning here is whether a connection may have several requests.
func (f *fcgiConn) manage(rec fcgiRecord) error {
	reply := fcgiBytes(fcgiUnknownKind, 0, rec.kind, 0, 0, 0, 0, 0, 0, 0)
	if rec.kind == fcgiGetValues {
		reply = fcgiBytes(fcgiValues, 0, append([]byte{15, 1}, "FCGI_MPXS_CONNS1"...)...)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.Write(reply)
	return err
}

// begin opens a request. before is the one with the same number that is open. The caller holds
// the lock.
func (f *fcgiConn) begin(rec fcgiRecord, before *fcgiRequest) error {
	switch {
	case before != nil, len(rec.content) != fcgiBeginSize:
		return errSequence
	case rec.content[0] != 0 || rec.content[1] != fcgiResponder:
		_, err := f.Write(fcgiEndBytes(rec.id, fcgiUnknownRole))
		return err
	case len(f.open) == fcgiRequests:
		return errRequests
	}
	r := &fcgiRequest{id: rec.id, keep: rec.content[2]&fcgiKeep != 0, begun: time.Now()}
	r.ctx, r.gone = context.WithCancel(context.Background())
	f.open[rec.id] = r
	f.setIdle(false)
	return nil
}

// takeBody passes a part of a body on, or its end. It waits until the request has read the part.
func (f *fcgiConn) takeBody(rec fcgiRecord) error {
	f.mu.Lock()
	r := f.open[rec.id]
	if r == nil || r.phase == fcgiReceived {
		f.mu.Unlock()
		return nil
	}
	if r.phase != fcgiInBody {
		f.mu.Unlock()
		return errSequence
	}
	if r.body == nil {
		var body io.ReadCloser
		body, r.body = io.Pipe()
		go f.answer(r, fcgiPairs(r.params), body)
		r.params = nil
	}
	if len(rec.content) == 0 {
		defer f.mu.Unlock()
		r.phase = fcgiReceived
		_ = r.body.Close()
		return f.forget(r)
	}
	ended := r.ended
	if ended {
		r.unread += len(rec.content)
	}
	f.mu.Unlock()
	if ended && r.unread > fcgiLinger {
		return errOver
	}
	_, _ = r.body.Write(rec.content) // fails when the request is answered without it
	return nil
}

// giveUp ends a request for which no client waits.
func (r *fcgiRequest) giveUp(why error) {
	r.gone()
	if r.body != nil {
		r.body.CloseWithError(why)
	}
}

// end sends the record that ends a request, once. The caller holds the lock.
func (f *fcgiConn) end(r *fcgiRequest, status byte) error {
	if r.ended {
		return nil
	}
	r.ended = true
	if _, err := f.Write(fcgiEndBytes(r.id, status)); err != nil {
		return err
	}
	return f.forget(r)
}

// forget removes a request that is received and answered. Its error closes the connection: after
// a request that asks for that, and when the server is stopping, so that a frontend that keeps the
// connection connects again. The caller holds the lock.
func (f *fcgiConn) forget(r *fcgiRequest) error {
	if !r.ended || r.phase != fcgiReceived {
		return nil
	}
	r.gone()
	delete(f.open, r.id)
	if !r.keep {
		return errOver
	}
	if len(f.open) > 0 {
		return nil
	}
	f.setIdle(true)
	f.idleSince, f.idleTime = time.Now(), f.server.config.Options.KeepAlive
	if f.server.draining.Load() {
		return errOver
	}
	return f.SetReadDeadline(f.idleSince.Add(f.idleTime)) // the reader waits already
}

// answer answers a request.
func (f *fcgiConn) answer(r *fcgiRequest, vars map[string]string, body io.ReadCloser) {
	out := &fcgiOutput{conn: f, request: r}
	w := &cgiWriter{out: out, line: "Status: ", header: http.Header{}}
	whole := false
	defer func() {
		if !whole && r.ctx.Err() == nil { // a frontend would read the end of the request as the end of the answer
			f.Close()
		} else if out.finish() != nil {
			f.Close()
		}
		body.Close()
	}()
	defer f.server.survive()
	f.serveVars(w, r, vars, body)
	w.flushHeader()
	whole = true
}

// serveVars answers the request that CGI variables describe. A malformed one is answered and
// logged.
func (f *fcgiConn) serveVars(w *cgiWriter, r *fcgiRequest, vars map[string]string, body io.ReadCloser) {
	request, err := cgi.RequestFromMap(vars)
	refused := 0
	switch {
	case err != nil:
		refused = http.StatusInternalServerError
		f.server.config.Log.Warn("refused a request", "error", err)
	case request.ContentLength < 0:
		refused = http.StatusBadRequest
	}
	if refused != 0 {
		http.Error(w, "bad request", refused)
		f.server.refused(f.conn, refused)
		return
	}
	request.RequestURI = request.URL.RequestURI()
	if request.Body = body; request.ContentLength > 0 {
		request.Body = &exactBody{body, request.ContentLength}
	}
	ctx := context.WithValue(context.WithValue(r.ctx, connKey{}, f.conn), protocolKey{}, protocolInfo{vars: vars})
	f.handler.ServeHTTP(w, request.WithContext(ctx))
}

// fcgiRoom is the largest content of a record of an answer. Larger records save little.
const fcgiRoom = 32 << 10

// fcgiOutput writes an answer in records.
type fcgiOutput struct {
	conn    *fcgiConn
	request *fcgiRequest
	record  []byte // the next record: room for its header, and its content
}

// Write puts b into records and sends the ones that are full. Flush sends the last one.
func (o *fcgiOutput) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		if len(o.record) == 0 {
			o.record = append(o.record, make([]byte, fcgiHeaderSize)...)
		}
		part := min(len(b), fcgiHeaderSize+fcgiRoom-len(o.record))
		o.record = append(o.record, b[:part]...)
		n, b = n+part, b[part:]
		if len(o.record) == fcgiHeaderSize+fcgiRoom {
			if err := o.Flush(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// Flush sends the bytes that were written.
func (o *fcgiOutput) Flush() error {
	if len(o.record) == 0 {
		return nil
	}
	putFCGIHeader(o.record, fcgiStdout, o.request.id, len(o.record)-fcgiHeaderSize)
	o.conn.mu.Lock()
	defer o.conn.mu.Unlock()
	if o.request.ended {
		return errAborted
	}
	_, err := o.conn.Write(o.record)
	o.record = o.record[:0]
	return err
}

// finish sends the rest and ends the request. Its error closes the connection.
func (o *fcgiOutput) finish() error {
	if err := o.Flush(); errors.Is(err, errAborted) {
		return nil // its end is sent
	} else if err != nil {
		return err
	}
	o.conn.mu.Lock()
	defer o.conn.mu.Unlock()
	if o.request.ended {
		return nil
	}
	if _, err := o.conn.Write(fcgiBytes(fcgiStdout, o.request.id)); err != nil {
		return err
	}
	return o.conn.end(o.request, fcgiComplete)
}

// exactBody must have the length of CONTENT_LENGTH; otherwise the request is not processed
// (FastCGI specification, section 6.2).
type exactBody struct {
	io.ReadCloser
	left int64
}

// Read returns an error for a body that is longer or shorter than CONTENT_LENGTH.
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
