package webserver

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
	"time"
)

// roundTrip passes a request on in the protocol of its target, over a connection of its own. A server may
// close a kept connection just when a request is sent on it, and a request that is not idempotent could not be
// repeated. For such connections http.Transport, with its goroutines, costs as much as the rest of a request.
type roundTrip struct {
	dial dialer
	http http.RoundTripper // for upgrades
}

// RoundTrip implements http.RoundTripper.
func (r roundTrip) RoundTrip(out *http.Request) (*http.Response, error) {
	t, _ := out.Context().Value(targetKey{}).(target)
	send := sendHTTP
	switch {
	case t.protocol == "uwsgi":
		x, _ := out.Context().Value(exchangeKey{}).(*exchange)
		packet, err := packetOf(x, out)
		if err != nil {
			return nil, err
		}
		send = func(to *bufio.Writer, out *http.Request) error { return sendUwsgi(to, packet, out) }
	case out.Header["Upgrade"] != nil:
		return r.http.RoundTrip(out)
	default:
		if err := valid(out); err != nil {
			return nil, err
		}
	}
	conn, err := r.dial(out.Context(), t)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(out.Context(), func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	in := repliesFrom(conn)
	answer, err := trip(conn, in, out, send)
	if err != nil {
		stop()
		conn.Close()
		in.release()
		return nil, cmp.Or(context.Cause(out.Context()), err)
	}
	answer.Body = &endOfConn{ReadCloser: answer.Body, conn: conn, in: in, stop: stop}
	return answer, nil
}

// valid reports an error for a request whose head net/http would not write as it is. Requests of other
// protocols may contain anything.
func valid(out *http.Request) error {
	if !isToken(out.Method) {
		return fmt.Errorf("the method %q is not valid", out.Method)
	}
	for name, values := range out.Header {
		if !isToken(name) {
			return fmt.Errorf("the header name %q is not valid", name)
		}
		for _, value := range values {
			for i := range len(value) {
				if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
					return fmt.Errorf("the value of the header %s is not valid", name)
				}
			}
		}
	}
	return nil
}

func isToken(text string) bool {
	for i := range len(text) {
		if classes[text[i]]&inToken == 0 {
			return false
		}
	}
	return text != ""
}

// sender writes a request.
type sender func(to *bufio.Writer, out *http.Request) error

func sendHTTP(to *bufio.Writer, out *http.Request) error {
	out.Close = true
	return out.Write(to)
}

func sendUwsgi(to *bufio.Writer, packet []byte, out *http.Request) error {
	if _, err := to.Write(packet); err != nil || out.Body == nil {
		return err
	}
	defer out.Body.Close()
	if err := to.Flush(); err != nil {
		return err
	}
	_, err := io.Copy(to, out.Body)
	return err
}

// trip writes a request and reads the head of its answer, which may come before the whole body is sent.
func trip(conn net.Conn, in *replies, out *http.Request, send sender) (*http.Response, error) {
	sent := make(chan error, 1)
	asked, sending := *out, *out // net/http keeps the one that is answered
	body := &bodyOf{ReadCloser: out.Body}
	has := out.Body != nil && out.Body != http.NoBody
	if has {
		sending.Body = body
	}
	write := func() {
		err := wrote(conn, &sending, send)
		if body.err != nil {
			err = body.err // without the wrapping of net/http
		}
		sent <- err
		if body.err != nil { // a program would accept an incomplete body as complete
			conn.Close()
		}
	}
	if has {
		go write()
	} else {
		write()
	}
	answer, err := in.next(&asked, informed(out))
	if err == nil {
		return answer, nil
	}
	select {
	case failed := <-sent:
		err = cmp.Or(failed, err)
	default:
	}
	return nil, err
}

// informed returns the function that passes informational answers on. net/http/httputil has put it into the request.
func informed(out *http.Request) func(*http.Response) error {
	return func(a *http.Response) error {
		trace := httptrace.ContextClientTrace(out.Context())
		if trace == nil || trace.Got1xxResponse == nil {
			return nil
		}
		return trace.Got1xxResponse(a.StatusCode, textproto.MIMEHeader(a.Header))
	}
}

// wrote writes a request to a connection.
func wrote(conn net.Conn, out *http.Request, send sender) error {
	to := writers.Get().(*bufio.Writer)
	to.Reset(conn)
	err := send(to, out)
	if err == nil {
		err = to.Flush()
	}
	to.Reset(nil)
	writers.Put(to)
	return err
}

// bodyOf is the body of a request, and the error of its client.
type bodyOf struct {
	io.ReadCloser
	err error
}

// Read keeps the error of the client, which is told apart from the target's.
func (b *bodyOf) Read(p []byte) (n int, err error) {
	if n, err = b.ReadCloser.Read(p); err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// mostHead limits the heads of the answers to one request, as http.Transport does.
const mostHead = 10 << 20

// Reasons why a target's answer cannot be passed on.
var (
	errSilent   = errors.New("it closed the connection without an answer")
	errSwitched = errors.New("it changes the protocol without being asked to")
)

// replies are the answers to one request: informational ones, and the one that counts.
type replies struct {
	from io.Reader
	head int // bytes that the heads may have; negative: the body is read
	in   *bufio.Reader
}

var (
	replyPool = sync.Pool{New: func() any {
		r := &replies{}
		r.in = bufio.NewReader(r)
		return r
	}}
	writers = sync.Pool{New: func() any { return bufio.NewWriter(nil) }}
)

func repliesFrom(from io.Reader) *replies {
	r := replyPool.Get().(*replies)
	r.from, r.head = from, mostHead
	r.in.Reset(r)
	return r
}

// release gives the memory back. Nothing reads any more.
func (r *replies) release() {
	r.from = nil
	replyPool.Put(r)
}

// Read reads from the connection.
func (r *replies) Read(b []byte) (int, error) {
	if r.head < 0 {
		return r.from.Read(b)
	}
	if r.head == 0 {
		return 0, fmt.Errorf("the head of its answer has more than %d bytes", mostHead)
	}
	n, err := r.from.Read(b[:min(len(b), r.head)])
	r.head -= n
	return n, err
}

// silent reports whether the target has sent no byte.
func (r *replies) silent() bool { return r.head == mostHead }

// next reads the answer to a request, and passes informational ones on (RFC 9110, section 15.2).
func (r *replies) next(to *http.Request, inform func(*http.Response) error) (*http.Response, error) {
	for {
		answer, err := http.ReadResponse(r.in, to)
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
			return nil, errSilent
		case err != nil:
			return nil, err
		case answer.StatusCode >= http.StatusOK:
			r.head = -1
			return answer, nil
		case answer.StatusCode == http.StatusSwitchingProtocols:
			return nil, errSwitched
		case answer.StatusCode == http.StatusContinue: // of this connection only
			continue
		}
		if err := inform(answer); err != nil {
			return nil, err
		}
	}
}

// endOfConn is a body that closes its connection at its end.
type endOfConn struct {
	io.ReadCloser
	conn net.Conn
	in   *replies // nil: it is closed
	stop func() bool
}

// Close does not read the rest of a body, which may have no end.
func (b *endOfConn) Close() error {
	if b.in == nil {
		return nil
	}
	b.stop()
	err := b.conn.Close()
	_ = b.ReadCloser.Close()
	b.in.release()
	b.in = nil
	return err
}

// copyBuffers are the buffers by which bodies are copied.
type copyBuffers struct{}

// copySize is the size of such a buffer, as in net/http/httputil.
const copySize = 32 << 10

var copyPool = sync.Pool{New: func() any { return new([copySize]byte) }}

// Get implements httputil.BufferPool.
func (copyBuffers) Get() []byte { return copyPool.Get().(*[copySize]byte)[:] }

// Put implements httputil.BufferPool.
func (copyBuffers) Put(b []byte) { copyPool.Put((*[copySize]byte)(b)) }
