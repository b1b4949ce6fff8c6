package webserver

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// rawAnswers are answers of a target, by the path of the request. Each | is a pause.
var rawAnswers = map[string]string{
	"/length":   "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\ntext",
	"/untyped":  "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n<html><body>text",
	"/encoded":  "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 4\r\n\r\ntext",
	"/empty":    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-A: 1\r\nX-A: 2\r\n\r\n",
	"/none":     "HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n",
	"/same":     "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Type: text/html\r\nContent-Length: 7\r\n\r\n",
	"/old":      "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end",
	"/chunked":  "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ntext\r\n5;x=y\r\n more\r\n0\r\n\r\n",
	"/trailer":  "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ntext\r\n0\r\nX-Sum: 7\r\n\r\n",
	"/hops":     "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: x\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\nx",
	"/strange":  "HTTP/1.1 299 Whatever\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nx",
	"/early":    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nx",
	"/pieces":   "HTTP/1.1 200 OK\r\nContent-Ty|pe: text/plain\r\nContent-Length: 9\r\n\r\n|text|-more",
	"/stream":   "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n|4\r\ntext\r\n|4\r\nmore\r\n|0\r\n\r\n",
	"/large":    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 300000\r\n\r\n" + strings.Repeat("0123456789", 30000),
	"/largest":  "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" + strings.Repeat("0123456789", 30000),
	"/error":    "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\nContent-Length: 5\r\n\r\nerror",
	"/silent":   "",
	"/garbage":  "no answer at all\r\n\r\n",
	"/switches": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
	"/short":    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\ntext",
	"/cut":      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ntext\r\n5\r\nmo",
	"/informs":  strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 6) + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	"/two":      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
}

// rawTarget is a server with the raw answers; it shows any other request, with its headers in order.
func rawTarget(t *testing.T) (address string) {
	t.Helper()
	return listening(t, "unix", answerRaw)
}

func answerRaw(c net.Conn) {
	in := bufio.NewReader(c)
	var lines []string
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			break
		}
		if line != "Connection: close" {
			lines = append(lines, line)
		}
	}
	path := strings.Fields(lines[0])[1]
	text, known := rawAnswers[path]
	if !known {
		slices.Sort(lines[1:])
		body := strings.Join(lines, "\n")
		text = fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	for i, piece := range strings.Split(text, "|") {
		if i > 0 {
			time.Sleep(2 * time.Millisecond)
		}
		_, _ = io.WriteString(c, piece)
	}
}

// relayed are the conversations with a server before another one, in addition to direct_test.go's.
func relayConversations() (list []string) {
	const close = "Connection: close\r\n\r\n"
	var kept string
	for path := range rawAnswers {
		for _, method := range []string{"GET ", "HEAD "} {
			request := method + path + " HTTP/1.1\r\nHost: x\r\n"
			list = append(list, request+close)
			if method == "GET " && path != "/short" && path != "/cut" { // they end the connection
				kept += request + "\r\n"
			}
		}
	}
	return append(list,
		kept+"GET /last HTTP/1.1\r\nHost: x\r\n"+close,
		"GET /?a=b;c&d=%41 HTTP/1.1\r\nHost: site:80\r\nX-Forwarded-For: 7.7.7.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: h\r\nForwarded: for=x\r\n"+close,
		"GET /? HTTP/1.1\r\nHost: x\r\nKeep-Alive: 5\r\nProxy-Authorization: x\r\nProxy-Authenticate: y\r\nUser-Agent: z\r\nAccept-Encoding: gzip\r\nCookie: a=b\r\n"+close,
		"GET /!'()*;:@ HTTP/1.1\r\nHost: x\r\n"+close,
	)
}

// A request that is passed on here has the same answer, and reaches its target as the same request, as by net/http.
func TestRelayedAnswers(t *testing.T) {
	for name, o := range map[string]serving.Options{
		"another server": {HTTPTo: []string{rawTarget(t)}},
		"trusted":        {HTTPTo: []string{rawTarget(t)}, Log: serving.Log{ForwardedFor: true}},
		"own command":    before(t, serving.Options{}, serving.Behind{}, serving.Behind{Protocol: "http", Address: rawTarget(t)}),
		"after files": func() serving.Options {
			o := directOptions(t)
			o.HTTPTo = []string{rawTarget(t)}
			return o
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Log.Format = `%(addr) %(method) %(uri) %(proto) %(status) %(rsize) %(host) %(headers)`
			sockets := []string{"http-socket"}
			if name == "own command" {
				sockets = []string{"stats", "http-socket"}
			}
			relaying := start(t, o, sockets...)
			o.RequestTimeout = time.Hour
			other := start(t, o, sockets...)
			for _, text := range append(relayConversations(), conversations()...) {
				if strings.HasPrefix(text, "GET /short ") {
					continue // see TestRelayedPieces
				}
				got, want := answersOf(t, relaying, text, 0), answersOf(t, other, text, 0)
				if !slices.Equal(got, want) {
					t.Errorf("%.300q\nis answered by\n%.3000s\ninstead of\n%.3000s", text, strings.Join(got, "\n---\n"), strings.Join(want, "\n---\n"))
				}
			}
			eventually(t, "both have logged all", func() bool {
				return strings.Count(relaying.access.String(), "\n") == strings.Count(other.access.String(), "\n")
			})
			lines, wanted := strings.Split(relaying.access.String(), "\n"), strings.Split(other.access.String(), "\n")
			for i, line := range lines {
				if line != wanted[i] {
					t.Errorf("logged: %q\nwant:   %q", line, wanted[i])
				}
			}
		})
	}
}

// The client gets a part of an answer as soon as it comes, and sees that an answer ends too early.
func TestRelayedPieces(t *testing.T) {
	s := start(t, serving.Options{HTTPTo: []string{rawTarget(t)}})
	got := answersOf(t, s, "GET /short HTTP/1.1\r\nHost: x\r\n\r\nGET /length HTTP/1.1\r\nHost: x\r\n\r\n", 0)
	if len(got) != 1 || !strings.HasSuffix(got[0], `"text" unexpected EOF`) {
		t.Errorf("an answer that ends too early: %q", got)
	}
	parts, more := make(chan string), make(chan bool)
	to := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		for part := range parts {
			_, _ = io.WriteString(w, part)
			_ = http.NewResponseController(w).Flush()
		}
		more <- true
	})
	s = start(t, serving.Options{HTTPTo: []string{to}})
	c := dialed(t, s)
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	a, err := http.ReadResponse(bufio.NewReader(c), nil) // before the first part
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	for _, part := range []string{"one", "two", "three"} {
		parts <- part
		b := make([]byte, len(part))
		if _, err := io.ReadFull(a.Body, b); err != nil || string(b) != part {
			t.Fatalf("%q %v instead of %q", b, err, part)
		}
	}
	close(parts)
	<-more
	if rest, err := io.ReadAll(a.Body); len(rest) > 0 || err != nil {
		t.Errorf("after the end: %q %v", rest, err)
	}
}

// A client that leaves ends its request, also while the target is silent; one that sends its next request early does not.
func TestRelayedClientLeaves(t *testing.T) {
	began, ended := make(chan bool, 4), make(chan bool, 4)
	to := backend(t, func(w http.ResponseWriter, r *http.Request) {
		began <- true
		if r.URL.Path == "/slow" {
			time.Sleep(3 * relaySilence)
			_, _ = io.WriteString(w, "slow")
			return
		}
		<-r.Context().Done()
		ended <- true
	})
	s := start(t, serving.Options{HTTPTo: []string{to}})
	for _, before := range []time.Duration{0, 2 * relaySilence} {
		c := dialed(t, s)
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		<-began
		time.Sleep(before)
		c.Close()
		<-ended
	}
	c := dialed(t, s)
	in := bufio.NewReader(c)
	for _, pause := range []time.Duration{0, 2 * relaySilence} {
		_, _ = io.WriteString(c, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
		<-began
		time.Sleep(pause)
		_, _ = io.WriteString(c, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
		for range 2 {
			a, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(a.Body); string(body) != "slow" || err != nil {
				t.Errorf("%q %v", body, err)
			}
		}
		<-began
	}
}

// A target that answers at once gets the next requests on the same connection, but never a second client's on one
// that is not in order, and requests that wait never wait for an idle connection.
func TestKeptConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var accepted, requests atomic.Int64
	go func() { // serves one connection at a time, to its end
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			for in := bufio.NewReader(c); ; {
				r, err := http.ReadRequest(in)
				if err != nil {
					break
				}
				requests.Add(1)
				rest := ""
				if r.URL.Path == "/longer" {
					rest = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
				}
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok%s", rest)
				if r.URL.Path == "/last" {
					break
				}
			}
			c.Close()
		}
	}()
	s := start(t, serving.Options{HTTPTo: []string{l.Addr().String()}})
	get := func(path string) {
		t.Helper()
		if a, body := s.get(path); a.StatusCode != http.StatusOK || body != "ok" {
			t.Errorf("%s: %d %q", path, a.StatusCode, body)
		}
	}
	for range 20 {
		get("/")
	}
	if n := accepted.Load(); n > 10 {
		t.Errorf("%d connections for 20 requests", n)
	}
	for range 5 {
		get("/longer")
		get("/last")
		get("/")
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.addr["http-socket"]+"/", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	if a, body := s.do(r); a.StatusCode != http.StatusOK || body != "ok" {
		t.Errorf("POST: %d %q", a.StatusCode, body)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				if a, body := s.get("/"); a.StatusCode != http.StatusOK || body != "ok" {
					t.Errorf("%d %q", a.StatusCode, body)
				}
			}
		})
	}
	all.Wait()
	if n := requests.Load(); n != 20+15+1+160 {
		t.Errorf("%d requests", n)
	}
}

// Requests wait while the queue of a unix socket is full.
func TestFullQueue(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: path}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), path)
	l, err := net.FileListener(f)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := start(t, serving.Options{HTTPTo: []string{path}})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if a, body := s.get("/length"); a.StatusCode != http.StatusOK || body != "text" {
				t.Errorf("%d %q", a.StatusCode, body)
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				answerRaw(c)
			}()
		}
	}()
	all.Wait()
}

// dialed connects to a server.
func dialed(t *testing.T, s *running) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.addr["http-socket"])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}
