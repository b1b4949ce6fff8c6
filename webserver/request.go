package webserver

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// exchange is one request and the state of its answer.
type exchange struct {
	http.ResponseWriter
	r       *http.Request
	path    string // decoded, without dots and double slashes; keeps a slash at the end
	started time.Time
	proto   protocolInfo
	behind  *target // target when no other source answers; nil: none
	user    string
	vars    map[string]string // of addvar
	pages   []serving.Page

	connection connection
	limit      timeLimit
	edits      headerEdits
	result     result
}

// connection is the state of the connection that carries an exchange.
type connection struct {
	web      bool // HTTP itself, not another protocol
	duplex   bool // net/http does not read the rest of the body of a request
	draining func() bool
	broken   atomic.Bool   // the body ended too early: the connection cannot be used again
	patience time.Duration // time for the client to read, when the connection cannot measure it, as in HTTP/2; 0: no limit
}

// timeLimit is the limit of the time until the answer.
type timeLimit struct {
	unlimited context.Context    // of the request before any time limit
	limited   context.CancelFunc // cancels the time limit; nil: none
}

// headerEdits are changes to the headers of an answer, whatever its source.
type headerEdits struct {
	adds    [][2]string
	deletes []string
}

// apply carries out the changes.
func (e *headerEdits) apply(h http.Header) {
	for _, name := range e.deletes {
		h.Del(name)
	}
	for _, pair := range e.adds {
		h.Add(pair[0], pair[1])
	}
}

// result is the sent part of an answer, for the log and the counters.
type result struct {
	status int   // 0: nothing was sent
	size   int64 // of the body
	fields int   // headers sent
	static bool  // a file
	routed bool  // by a rule
	secret bool  // not logged
	failed bool  // the client did not receive all of it
}

// protocolInfo is the additional information of a frontend by a protocol other than HTTP:
// variables of the frontend's choice, and for the uwsgi protocol their total size and number.
type protocolInfo struct {
	size, count int
	vars        map[string]string
}

// WriteHeader sends the headers, with the headers that are added to all answers.
func (x *exchange) WriteHeader(status int) {
	if x.result.status != 0 && x.result.status != http.StatusSwitchingProtocols {
		return
	}
	if status >= 200 || status == http.StatusSwitchingProtocols {
		x.finishHeaders(status)
	}
	x.ResponseWriter.WriteHeader(status)
}

func (x *exchange) finishHeaders(status int) {
	h := x.Header()
	x.edits.apply(h)
	if status != http.StatusSwitchingProtocols && x.connection.web && (x.connection.draining() || x.connection.broken.Load() || x.chunked()) {
		h.Set("Connection", "close")
	}
	x.result.status, x.result.fields = status, len(h)
}

// chunked reports a body in chunks. The request may have given a length as well, which net/http hides, and
// after such a request the connection must close (RFC 9112, section 6.3). A proxy that trusted the length
// would send more bytes as the body, or take the next answer for another request's.
func (x *exchange) chunked() bool { return x.r.ProtoMajor == 1 && len(x.r.TransferEncoding) > 0 }

// Write sends b as a part of the body and counts it. The error is errTooLong, or of a client that has not taken the
// bytes in time.
func (x *exchange) Write(b []byte) (int, error) {
	if x.result.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	if err := x.late(); err != nil {
		return 0, err
	}
	if x.connection.patience > 0 {
		_ = http.NewResponseController(x.ResponseWriter).SetWriteDeadline(time.Now().Add(x.connection.patience))
	}
	bodiless := x.r.Method == http.MethodHead || !hasBody(x.result.status)
	if bodiless && !x.connection.web { // HTTP's own writer handles these, and needs the length of a body that is not sent
		return len(b), nil
	}
	n, err := x.ResponseWriter.Write(b)
	if !bodiless {
		x.result.size += int64(n)
	}
	x.result.failed = x.result.failed || err != nil
	return n, err
}

// hasBody reports whether an answer with that status can have a body (RFC 9110, section
// 6.4.1).
func hasBody(status int) bool {
	return status >= http.StatusOK && status != http.StatusNoContent && status != http.StatusNotModified
}

// ReadFrom lets the kernel use sendfile(2).
func (x *exchange) ReadFrom(r io.Reader) (n int64, err error) {
	if x.result.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	to, ok := x.ResponseWriter.(io.ReaderFrom)
	if !ok {
		return io.Copy(writerOnly{x}, r)
	}
	limited, ok := r.(*io.LimitedReader)
	if !ok {
		limited = &io.LimitedReader{R: r, N: math.MaxInt64}
	}
	for {
		if err := x.late(); err != nil {
			return n, err
		}
		part := io.LimitedReader{R: limited.R, N: min(limited.N, sendStep)}
		sent, err := to.ReadFrom(&part)
		n, x.result.size, limited.N = n+sent, x.result.size+sent, limited.N-sent
		x.result.failed = x.result.failed || err != nil
		if err != nil || part.N > 0 || limited.N <= 0 {
			return n, err
		}
	}
}

// late ends an answer that takes longer than request-timeout, except the answer that reports
// the timeout.
func (x *exchange) late() error {
	if x.result.status == http.StatusGatewayTimeout {
		return nil
	}
	if err := context.Cause(x.r.Context()); errors.Is(err, errTooLong) {
		x.result.failed = true
		return err
	}
	return nil
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// duplex lets the answer begin before the whole body has been read. Without it net/http would
// discard the rest of the body while a handler still reads it.
func (x *exchange) duplex() { // only HTTP/1.1 needs it
	err := http.NewResponseController(x.ResponseWriter).EnableFullDuplex()
	x.connection.duplex = err == nil && x.r.ProtoMajor == 1
}

// within limits the time until the answer, from now on and in place of an earlier limit; 0: no
// limit.
func (x *exchange) within(t time.Duration) {
	before := x.limit.limited
	if x.limit.limited = nil; t > 0 {
		var ctx context.Context
		ctx, x.limit.limited = context.WithTimeoutCause(x.limit.unlimited, t, errTooLong)
		x.r = x.r.WithContext(ctx)
	} else if before != nil {
		x.r = x.r.WithContext(x.limit.unlimited)
	}
	if before != nil {
		before()
	}
}

// page sends the page of a status, if there is one that can be opened.
func (x *exchange) page(status int) bool {
	for _, p := range x.pages {
		if p.Status != status {
			continue
		}
		text, err := os.ReadFile(p.File)
		if err != nil {
			continue
		}
		h := x.Header()
		h.Set("Content-Type", "text/html")
		h.Set("Content-Length", strconv.Itoa(len(text)))
		x.WriteHeader(status)
		_, _ = x.Write(text)
		return true
	}
	return false
}

// refuse answers with the page of a status, or with its name.
func (x *exchange) refuse(status int) {
	if x.page(status) {
		return
	}
	http.Error(x, strings.ToLower(http.StatusText(status)), status)
}

// ServeHTTP answers one request of any protocol.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{ResponseWriter: w, r: r, started: time.Now(), connection: connection{draining: s.draining.Load}}
	x.connection.web = r.Context().Value(http.ServerContextKey) != nil
	x.proto, _ = r.Context().Value(protocolKey{}).(protocolInfo)
	x.user = x.proto.vars["REMOTE_USER"]
	if c, _ := r.Context().Value(connKey{}).(*conn); c != nil {
		c.answering.Store(true)
		x.behind = c.behind
		if r.TLS == nil && c.proxied != nil && c.proxied.tls {
			r.TLS = &tls.ConnectionState{HandshakeComplete: true} // as net/http/cgi does
		}
	}
	if r.ProtoMajor == 2 && x.connection.web { // a client that does not read blocks one answer, not the connection
		x.connection.patience = s.config.Options.SocketTimeout
	}
	s.prepare(s.counters.active.Add(1))
	x.pages = s.config.Options.Pages
	x.limit.unlimited = r.Context()
	defer func() {
		s.finish(x)
		x.within(0)
	}()
	if t := s.config.Options.RequestTimeout; t > 0 {
		x.within(t)
	}
	defer s.limitBody(x)()
	s.answers.answer(x)
	if x.result.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
}

// prepare calls First and Busy when it is their time. active is the number of requests in
// progress.
func (s *server) prepare(active int64) {
	if s.config.First != nil {
		s.first.Do(s.config.First)
	}
	if active >= busyRequests && s.config.Busy != nil && s.rushing.CompareAndSwap(false, true) && !s.config.Busy() {
		s.rushing.Store(false)
	}
}

// refused records an answer to an invalid request, which has neither method nor path.
func (s *server) refused(c *conn, status int) {
	x := &exchange{
		ResponseWriter: noClient{}, r: &http.Request{URL: &url.URL{}, RemoteAddr: c.RemoteAddr().String()}, started: time.Now(),
		result: result{status: status},
	}
	s.log.write(x, 0)
}

// noClient is a ResponseWriter without a client.
type noClient struct{ http.ResponseWriter }

// Header returns nil: the log finds no header of an answer.
func (noClient) Header() http.Header { return nil }

// errTooLong is the cause of a request that took longer than request-timeout.
var errTooLong = errors.New("the request took too long")

// finish records the result of a request, also when its handler panicked.
func (s *server) finish(x *exchange) {
	took := time.Since(x.started)
	if errors.Is(context.Cause(x.r.Context()), errTooLong) {
		s.counters.late.Add(1)
		s.config.Log.Warn("request-timeout", "after", took.Round(time.Millisecond), "method", x.r.Method, "uri", x.r.RequestURI)
	}
	s.counters.end(x, took)
	s.log.write(x, took)
	s.loyal.Do(func() { s.notify("LOYAL=1") })
}

// limitBody limits the body, and the time for a client's next bytes. The returned function
// must be called after the answer: net/http then reads on, to find the next request.
func (s *server) limitBody(x *exchange) (after func()) {
	if x.r.Body == nil || x.r.Body == http.NoBody {
		return func() {}
	}
	x.r = x.r.WithContext(x.r.Context()) // net/http recognizes its own body by its type, and decides by it how to treat a rest
	if most := s.config.Options.LimitPost; most > 0 {
		x.r.Body = http.MaxBytesReader(x.ResponseWriter, x.r.Body, most)
	}
	b := &patientBody{ReadCloser: x.r.Body, x: x, to: http.NewResponseController(x.ResponseWriter), timeout: s.config.Options.SocketTimeout}
	x.r.Body = b
	return func() {
		b.wait()
		b.drain()
		if x.connection.broken.Load() && x.connection.web && x.result.status != 0 && x.Header().Get("Connection") != "close" {
			// The next bytes of the connection belong to the body, and must not be parsed as a
			// request.
			panic(http.ErrAbortHandler)
		}
	}
}

// patientBody waits for the next bytes until the timeout.
type patientBody struct {
	io.ReadCloser
	x       *exchange
	to      *http.ResponseController
	timeout time.Duration
	ended   atomic.Bool // all of it was read
	mu      sync.Mutex  // held while a part is read: by the sender to a target, then by drain
}

// restOfBody is the most that is read of a body after its answer, as in net/http.
const restOfBody = 256 << 10

// drain sends the answer and reads the rest of the body where net/http does not. Only an empty connection can be used again. A sender that
// still reads the body has ended when drain returns.
func (b *patientBody) drain() {
	x := b.x
	if !x.connection.duplex || b.ended.Load() || x.result.status < http.StatusOK || x.Header().Get("Connection") == "close" {
		return
	}
	_ = b.to.Flush()
	_, _ = io.CopyN(io.Discard, b, restOfBody)
}

// wait sets the deadline. Protocols without deadlines have limits of their own.
func (b *patientBody) wait() { _ = b.to.SetReadDeadline(time.Now().Add(b.timeout)) }

// Read waits for each part of the body for the timeout. After an error the connection is not used again.
func (b *patientBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wait()
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		b.ended.Store(true)
		_ = b.to.SetReadDeadline(time.Time{}) // net/http reads ahead from here on
	case err != nil:
		b.x.connection.broken.Store(true)
	}
	return n, err
}

// cleanPath normalizes a path for rules and maps: all spellings of a file's path give the same
// result.
func cleanPath(p string) string {
	if !strings.HasPrefix(p, "/") {
		p = "/" + p
	}
	clean := path.Clean(p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}
