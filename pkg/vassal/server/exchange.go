package server

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// exchange is one request and what has become of it.
type exchange struct {
	http.ResponseWriter
	r       *http.Request
	path    string // decoded, without dots and double slashes; keeps a slash at the end
	started time.Time
	proto   protocolInfo
	behind  *target // where it goes when nothing else answers; nil: nowhere

	status    int
	size      int64 // of the body
	fields    int   // headers sent
	user      string
	vars      map[string]string // of addvar
	adds      [][2]string       // headers that routes add
	deletes   []string
	patience  time.Duration // for the client to take what is sent, where the connection cannot tell: in HTTP/2; 0: none
	draining  func() bool
	broken    atomic.Bool // the body ended too early: the connection is of no use any more
	web       bool        // HTTP itself, not another protocol
	secret    bool        // not logged
	pages     []serving.Page
	unlimited context.Context    // of the request as it came
	limited   context.CancelFunc // ends the bound of its time; nil: it has none
	static    bool
	routed    bool
	failed    bool // the client did not take it all
}

// protocolInfo is what a frontend tells by a protocol that is not HTTP: variables of
// its own choice, and for the uwsgi protocol the size of all and how many they are.
type protocolInfo struct {
	size, count int
	vars        map[string]string
}

// WriteHeader sends the headers, with what is to be added to all.
func (x *exchange) WriteHeader(status int) {
	if x.status != 0 && x.status != http.StatusSwitchingProtocols {
		return
	}
	if status >= 200 || status == http.StatusSwitchingProtocols {
		x.finishHeaders(status)
	}
	x.ResponseWriter.WriteHeader(status)
}

func (x *exchange) finishHeaders(status int) {
	h := x.Header()
	for _, name := range x.deletes {
		h.Del(name)
	}
	for _, pair := range x.adds {
		h.Add(pair[0], pair[1])
	}
	if status != http.StatusSwitchingProtocols && x.web && (x.draining() || x.broken.Load() || x.chunked()) {
		h.Set("Connection", "close")
	}
	x.status, x.fields = status, len(h)
}

// chunked reports a body in chunks. It may have come with a length as well, of which
// net/http leaves no trace, and after those the connection must end (RFC 9112,
// section 6.3): a proxy that went by the length would send more of what it takes for
// the body, or take the next answer for one that it is not.
func (x *exchange) chunked() bool { return x.r.ProtoMajor == 1 && len(x.r.TransferEncoding) > 0 }

func (x *exchange) Write(b []byte) (int, error) {
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	if err := x.late(); err != nil {
		return 0, err
	}
	if x.patience > 0 {
		_ = http.NewResponseController(x.ResponseWriter).SetWriteDeadline(time.Now().Add(x.patience))
	}
	bodiless := x.r.Method == http.MethodHead || !hasBody(x.status)
	if bodiless && !x.web { // HTTP's own writer knows, and tells from it how long a body would have been
		return len(b), nil
	}
	n, err := x.ResponseWriter.Write(b)
	if !bodiless {
		x.size += int64(n)
	}
	x.failed = x.failed || err != nil
	return n, err
}

// hasBody reports whether an answer with that status can have one (RFC 9110,
// section 6.4.1).
func hasBody(status int) bool {
	return status >= http.StatusOK && status != http.StatusNoContent && status != http.StatusNotModified
}

// ReadFrom keeps sendfile(2) possible.
func (x *exchange) ReadFrom(r io.Reader) (n int64, err error) {
	if x.status == 0 {
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
		n, x.size, limited.N = n+sent, x.size+sent, limited.N-sent
		x.failed = x.failed || err != nil
		if err != nil || part.N > 0 || limited.N <= 0 {
			return n, err
		}
	}
}

// late ends an answer that takes longer than request-timeout, but not the one that
// says so.
func (x *exchange) late() error {
	if x.status == http.StatusGatewayTimeout {
		return nil
	}
	if err := context.Cause(x.r.Context()); errors.Is(err, errTooLong) {
		x.failed = true
		return err
	}
	return nil
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// duplex lets the answer begin before the body has been read. Without it net/http
// would throw away what is left of the body, under whoever still reads it.
func (x *exchange) duplex() { _ = http.NewResponseController(x.ResponseWriter).EnableFullDuplex() } // only HTTP/1.1 needs it

// within bounds the time in which the request must be answered, from now on and in place
// of a bound before; 0: not at all.
func (x *exchange) within(t time.Duration) {
	before := x.limited
	if x.limited = nil; t > 0 {
		var ctx context.Context
		ctx, x.limited = context.WithTimeoutCause(x.unlimited, t, errTooLong)
		x.r = x.r.WithContext(ctx)
	} else if before != nil {
		x.r = x.r.WithContext(x.unlimited)
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
	x := &exchange{ResponseWriter: w, r: r, started: time.Now(), draining: s.draining.Load}
	x.web = r.Context().Value(http.ServerContextKey) != nil
	x.proto, _ = r.Context().Value(protocolKey{}).(protocolInfo)
	x.user = x.proto.vars["REMOTE_USER"]
	if c, _ := r.Context().Value(connKey{}).(*conn); c != nil {
		c.answering.Store(true)
		x.behind = c.behind
	}
	if r.ProtoMajor == 2 && x.web { // a window that the client leaves shut stops one answer, not the connection
		x.patience = s.Options.SocketTimeout
	}
	if s.tally.active.Add(1) >= busyRequests && s.Busy != nil {
		s.busy.Do(s.Busy)
	}
	x.pages = s.Options.Pages
	x.unlimited = r.Context()
	defer func() {
		s.finish(x)
		x.within(0)
	}()
	if t := s.Options.RequestTimeout; t > 0 {
		x.within(t)
	}
	defer s.limitBody(x)()
	s.answers.answer(x)
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
}

// refused notes an answer to what was no request: whatever it was has no name.
func (s *server) refused(c *conn, status int) {
	x := &exchange{ResponseWriter: nobody{}, r: &http.Request{URL: &url.URL{}, RemoteAddr: c.RemoteAddr().String()}, started: time.Now(), status: status}
	s.log.write(x, 0)
}

// nobody is sent nothing.
type nobody struct{ http.ResponseWriter }

func (nobody) Header() http.Header { return nil }

// errTooLong is the cause of a request that took longer than request-timeout.
var errTooLong = errors.New("the request took too long")

// finish notes what became of a request, also of one whose handler panicked.
func (s *server) finish(x *exchange) {
	took := time.Since(x.started)
	if errors.Is(context.Cause(x.r.Context()), errTooLong) {
		s.tally.late.Add(1)
		s.Log.Warn("request-timeout", "after", took.Round(time.Millisecond), "method", x.r.Method, "uri", x.r.RequestURI)
	}
	s.tally.end(x, took)
	s.log.write(x, took)
	s.loyal.Do(func() { s.notify("LOYAL=1") })
}

// limitBody bounds the body, and the time a client may take for its next bytes.
// The function it returns is to be called after the answer: net/http then reads
// on, to find the next request.
func (s *server) limitBody(x *exchange) (after func()) {
	if x.r.Body == nil || x.r.Body == http.NoBody {
		return func() {}
	}
	x.r = x.r.WithContext(x.r.Context()) // net/http knows its own body by its type, and by it what to do with a rest
	if most := s.Options.LimitPost; most > 0 {
		x.r.Body = http.MaxBytesReader(x.ResponseWriter, x.r.Body, most)
	}
	b := &patientBody{x.r.Body, x, http.NewResponseController(x.ResponseWriter), s.Options.SocketTimeout}
	x.r.Body = b
	return func() {
		b.wait()
		if x.broken.Load() && x.web && x.status != 0 && x.Header().Get("Connection") != "close" {
			// What follows on the connection is a rest of the body, and must not be
			// taken for a request.
			panic(http.ErrAbortHandler)
		}
	}
}

// patientBody waits for the next bytes as long as the timeout says.
type patientBody struct {
	io.ReadCloser
	x       *exchange
	to      *http.ResponseController
	timeout time.Duration
}

// wait sets the deadline. Protocols that cannot do that look after it themselves.
func (b *patientBody) wait() { _ = b.to.SetReadDeadline(time.Now().Add(b.timeout)) }

func (b *patientBody) Read(p []byte) (int, error) {
	b.wait()
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		_ = b.to.SetReadDeadline(time.Time{}) // net/http reads ahead from here on
	case err != nil:
		b.x.broken.Store(true)
	}
	return n, err
}

// cleanPath makes the path one on which rules and maps can rely: however a client
// writes it, the same file has the same path.
func cleanPath(p string) string {
	clean := path.Clean("/" + p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}
