package webserver

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// seenBy is a target that records the requests of its clients.
type seenBy struct {
	mu       sync.Mutex
	requests []string
}

// record adds a request whose body was complete, or the reason why it cannot be read. It returns its text.
func (s *seenBy) record(r *http.Request, body []byte, err error) string {
	text := fmt.Sprint("not a request: ", err)
	if err == nil {
		lines := []string{fmt.Sprintf("%s %s %s %v %d", r.Method, r.RequestURI, r.Host, r.TransferEncoding, r.ContentLength)}
		for name, values := range r.Header {
			if name != "Connection" {
				lines = append(lines, fmt.Sprintf("%s %q", name, values))
			}
		}
		slices.Sort(lines[1:])
		text = fmt.Sprintf("%s\n%q", strings.Join(lines, "\n"), body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, text)
	return text
}

// taken returns the requests since the last call.
func (s *seenBy) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.requests
	s.requests = nil
	return list
}

// serve answers with the request itself, after its body, until the connection ends.
func (s *seenBy) serve(c net.Conn) {
	for in := bufio.NewReader(c); ; {
		r, err := http.ReadRequest(in)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			s.record(nil, nil, err)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // its client has sent a part
		}
		text := s.record(r, body, nil)
		_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
		if r.Close {
			return
		}
	}
}

// pair is a server that reads requests itself where it can, and one whose requests are all read by net/http.
type pair [2]struct {
	*running
	seen *seenBy
}

func newPair(t testing.TB, files bool) (p pair) {
	for i := range p {
		p[i].seen = &seenBy{}
		o := serving.Options{}
		if files {
			o = directOptions(t)
		}
		o.HTTPTo = []string{listening(t, "unix", p[i].seen.serve)}
		if i == 1 {
			o.RequestTimeout = time.Hour
		}
		p[i].running = start(t, o)
	}
	return p
}

var (
	anyDate    = regexp.MustCompile(`Date: [^\r]*\r\n`)
	statusLine = regexp.MustCompile(`HTTP/1\.[01] \d{3}`)
	parts      = regexp.MustCompile(`\b[0-9a-f]{60}\b`) // the boundary of several ranges
)

// converse sends the bytes in two parts and returns the answers until the server has closed the connection or is
// silent: the statuses in order, and all lines in alphabetical order, because the order of headers has no meaning.
func converse(address, text string, cut int, silence time.Duration) (statuses, lines []string, err error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, nil, err
	}
	defer c.Close()
	cut = min(cut, len(text))
	for i, part := range []string{text[:cut], text[cut:]} {
		if part == "" {
			continue
		}
		if i == 1 && cut > 0 {
			time.Sleep(silence / 20)
		}
		_ = c.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := io.WriteString(c, part); err != nil {
			break // it has closed the connection
		}
	}
	var all []byte
	end := "closed"
	for b := make([]byte, 32<<10); ; {
		_ = c.SetReadDeadline(time.Now().Add(silence))
		n, err := c.Read(b)
		all = append(all, b[:n]...)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			end = "open"
		}
		if err != nil {
			break
		}
	}
	plain := anyDate.ReplaceAll(all, nil)
	statuses = append(statusLine.FindAllString(string(plain), -1), end)
	lines = strings.Split(parts.ReplaceAllString(string(plain), "BOUNDARY"), "\r\n")
	slices.Sort(lines)
	return statuses, lines, nil
}

// differ returns the difference between the servers, or an empty text.
func (p *pair) differ(text string, cut int, silence time.Duration) string {
	var (
		all             sync.WaitGroup
		statuses, lines [2][]string
		errs            [2]error
	)
	for i := range p {
		p[i].seen.taken()
		all.Go(func() { statuses[i], lines[i], errs[i] = converse(p[i].addr["http-socket"], text, cut, silence) })
	}
	all.Wait()
	one, two := p[0].seen.taken(), p[1].seen.taken()
	switch {
	case errors.Join(errs[:]...) != nil:
		return errors.Join(errs[:]...).Error()
	case !slices.Equal(statuses[0], statuses[1]):
		return fmt.Sprintf("statuses %v instead of %v", statuses[0], statuses[1])
	case !slices.Equal(one, two):
		return fmt.Sprintf("the target saw %q instead of %q", one, two)
	case !slices.Equal(lines[0], lines[1]):
		return fmt.Sprintf("lines %q instead of %q", lines[0], lines[1])
	}
	return ""
}

// confusions are requests that two readers may read in two ways.
func confusions() (list []string) {
	const next = "GET /next HTTP/1.1\r\nHost: x\r\n\r\n"
	heads := []string{
		"Content-Length: 4\r\nContent-Length: 4", "Content-Length: 4\r\nContent-Length: 5", "Content-Length: 4, 4", "Content-Length: +4", "Content-Length: 0x4", "Content-Length: -1",
		"Content-Length: 4\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 4", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding: xchunked",
		"Transfer-Encoding: chunked, identity", "Transfer-Encoding: identity", "Transfer-Encoding:\tchunked", "Transfer-Encoding : chunked", "Transfer-Encoding\t: chunked", " Transfer-Encoding: chunked",
		"X: y\r\n Transfer-Encoding: chunked", "X: y\r\n\tContent-Length: 4", "X: y\rContent-Length: 4", "X: y\nContent-Length: 4", "X: y\r\r\nContent-Length: 4", "X: y\x00\r\nContent-Length: 4", "Transfer_Encoding: chunked",
		"Transfer-Encoding: \x0bchunked", "Transfer-Encoding: chunked\x00", "Content-Length: 4 ", "Content-Length:4", "content-length: 4", "CONTENT-LENGTH: 4", "Content-Length: 4\r", "Content-Length: ", "Content-Length: 99999999999999999999",
		"Connection: Host", "Connection: close, X-Forwarded-For", "Connection: keep-alive, Transfer-Encoding", "Connection: Content-Length\r\nContent-Length: 4", "Connection: keep-alive\r\nConnection: close", "Connection:", "Connection: upgrade\r\nUpgrade: h2c", "Upgrade: websocket", "Connection: ,close",
		"Connection: CLOSE", "Proxy-Connection: close", "Keep-Alive: timeout=1", "Expect: 100-continue", "Expect: 100-continue\r\nContent-Length: 4", "Expect: 200-ok", "TE: trailers", "Trailer: X", "Host: y", "Host:", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-For: a\r\nX-Forwarded-For: b",
		"X-" + strings.Repeat("l", 3000) + ": " + strings.Repeat("v", 900), "X: " + strings.Repeat("v", 5000), "X: " + strings.Repeat("v", 70<<10), strings.Repeat("X: y\r\n", 40) + "Z: z", ":", ": x", "X", "X:", "(x): y", "X\x80: y", "X: \x80", "HTTP/1.1 200 OK",
	}
	bodies := []string{"", "abcd", "0\r\n\r\n", "4\r\nabcd\r\n0\r\n\r\n", "4;ext=\"\r\n\"\r\nabcd\r\n0\r\n\r\n", "4 \r\nabcd\r\n0\r\nX: y\r\n\r\n", "4\nabcd\n0\n\n", "0x4\r\nabcd\r\n0\r\n\r\n", "-1\r\nabcd", "fffffffffffffffff\r\nabcd"}
	for i, head := range heads {
		for _, line := range []string{"GET / HTTP/1.1", "POST /a.txt HTTP/1.1", "HEAD /a.txt HTTP/1.1", "GET /a.txt HTTP/1.0"} {
			list = append(list, line+"\r\nHost: x\r\n"+head+"\r\n\r\n"+bodies[i%len(bodies)]+next)
		}
	}
	for _, body := range bodies {
		list = append(list, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"+body+next, next+"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"+body+next)
	}
	for _, line := range []string{
		"GET / HTTP/1.1 ", "GET /\tHTTP/1.1", "GET / HTTP/1.1\x00", "GET / HTTP/01.1", "GET / HTTP/1.10", "GET / HTTP/0.9", "GET /", "GET / http/1.1", "GET / HTTP/1.1\r", "\r\nGET / HTTP/1.1", "\nGET / HTTP/1.1",
		"GET ?x HTTP/1.1", "GET * HTTP/1.1", "GET //evil/ HTTP/1.1", "GET /\x80 HTTP/1.1", "GET /#x HTTP/1.1", "GET /%0d%0aX:y HTTP/1.1", "GET /?%0d%0a HTTP/1.1", "GET /?a b HTTP/1.1", "GET /?\"<> HTTP/1.1", "GET /?# HTTP/1.1", "GET /;a=b HTTP/1.1",
		"GET http://y/ HTTP/1.1", "GET https://y:1/a.txt HTTP/1.1", "CONNECT y:443 HTTP/1.1", "CONNECT / HTTP/1.1", "PRI * HTTP/2.0", "GE\x54 / HTTP/1.1", "G@T / HTTP/1.1", "G/T / HTTP/1.1", "TRACE / HTTP/1.1", "OPTIONS * HTTP/1.1",
	} {
		list = append(list, line+"\r\nHost: x\r\n\r\n"+next, next+line+"\r\nHost: x\r\n\r\n"+next)
	}
	for _, host := range []string{"x:y", "[::1", "[::1]:80", "x,y", "x/y", "x@y", "x y", "x\x80", "x%41", "..", "-", "x:", ":80", "X", "a_b", "xn--a", "x\r\nHost: x"} {
		list = append(list, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n"+next)
	}
	return list
}

// FuzzBytes: the same bytes of a client have the same answers, and reach the target as the same requests, as when
// net/http reads them.
func FuzzBytes(f *testing.F) {
	for i, text := range slices.Concat(confusions(), conversations()) {
		f.Add([]byte(text), uint16(0), i%2 == 0)
		f.Add([]byte(text), uint16(len(text)/2), i%2 == 1)
	}
	proxies, after := newPair(f, false), newPair(f, true)
	f.Fuzz(func(t *testing.T, text []byte, cut uint16, files bool) {
		p := &proxies
		if files {
			p = &after
		}
		if bytes.Contains(text, []byte("/large.bin")) {
			cut = 0 // bytes that come after the end of a connection reset it, with the part of a large answer that is not sent
		}
		whole := string(text) + "\r\n\r\nGET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
		var difference string
		for _, silence := range []time.Duration{20 * time.Millisecond, 200 * time.Millisecond, time.Second} { // a slow answer is none
			if difference = p.differ(whole, min(int(cut), len(text)), silence); difference == "" {
				return
			}
		}
		t.Errorf("%q, after byte %d: %s", whole, cut, difference)
	})
}
