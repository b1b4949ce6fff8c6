package webserver

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// TestSmuggling sends requests that a proxy before the server may parse differently: each must
// be one request, or none.
func TestSmuggling(t *testing.T) {
	var passed atomic.Int64
	s := start(t, serving.Options{HTTPTo: []string{backend(t, func(_ http.ResponseWriter, r *http.Request) {
		passed.Add(1)
		if r.URL.Path != "/first" {
			t.Errorf("a smuggled request arrives: %s", r.URL)
		}
		_, _ = io.Copy(io.Discard, r.Body)
	})}})
	const second = "GET /second HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	for what, head := range map[string]string{
		"two lengths":              "Content-Length: 0\r\nContent-Length: 52\r\n",
		"two lengths in one":       "Content-Length: 0, 52\r\n",
		"a length with a sign":     "Content-Length: +0\r\n",
		"a negative length":        "Content-Length: -1\r\n",
		"no chunks after all":      "Transfer-Encoding: identity, chunked\r\n",
		"chunks twice":             "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
		"chunks by another name":   "Transfer-Encoding: xchunked\r\n",
		"chunks behind a tab":      "Transfer-Encoding:\x0bchunked\r\n",
		"a space before the colon": "Content-Length : 52\r\n",
		"a lone line feed in it":   "X: y\nTransfer-Encoding: xchunked\r\n",
		"a NUL in it":              "X: y\x00\r\n",
		"no host":                  "",
		"two hosts":                "Host: y\r\n",
	} {
		host := "Host: x\r\n"
		if what == "no host" {
			host = ""
		}
		passed.Store(0)
		got := s.raw("POST /first HTTP/1.1\r\n" + host + head + "\r\n" + second)
		if !strings.HasPrefix(got, "HTTP/1.1 400 ") && !strings.HasPrefix(got, "HTTP/1.1 501 ") || passed.Load() > 0 {
			t.Errorf("%s: %d passed on, %.80q", what, passed.Load(), got)
		}
	}
	// With a length and chunks, the chunks count, and the connection closes.
	passed.Store(0)
	got := s.raw("POST /first HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + second)
	if strings.Count(got, "HTTP/1.1 ") != 1 {
		t.Errorf("a length and chunks: %q", got)
	}
}

// TestOutOfDescriptors: a lack of descriptors ends no socket.
func TestOutOfDescriptors(t *testing.T) {
	for _, protocol := range []string{"http-socket", "fastcgi-socket", "uwsgi-socket"} {
		inner, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l := &listener{Listener: &short{Listener: inner}, conns: &connections{}, timeout: time.Second}
		s := &server{config: Config{Options: serving.Options{BufferSize: 4096}}}
		ended := make(chan error, 1)
		go func() {
			switch protocol {
			case "http-socket":
				ended <- (&http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Second, ErrorLog: log.New(io.Discard, "", 0)}).Serve(l)
			case "fastcgi-socket":
				ended <- s.serveFastCGI(l)
			default:
				ended <- acceptAll(l, func(c *conn) { c.Close() })
			}
		}()
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "the connection is accepted", func() bool { return l.Listener.(*short).accepted.Load() })
		c.Close()
		inner.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: ended with %v", protocol, err)
		}
	}
}

// short fails to accept once.
type short struct {
	net.Listener
	failed   bool
	accepted atomic.Bool
}

func (s *short) Accept() (net.Conn, error) {
	if !s.failed {
		s.failed = true
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	c, err := s.Listener.Accept()
	s.accepted.Store(err == nil)
	return c, err
}

// h2 is an HTTP/2 client that sends arbitrary frames (RFC 9113).
type h2 struct {
	t  testing.TB
	c  net.Conn
	in *bufio.Reader
}

const (
	h2Headers  = 1
	h2Reset    = 3
	h2Settings = 4

	h2EndStream, h2EndHeaders = 1, 4
)

// dialH2 connects and sends the preface, with settings.
func (s *running) dialH2(settings ...byte) *h2 {
	s.t.Helper()
	c, err := tls.Dial("tcp", s.addr["https-socket"], &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	h := &h2{s.t, c, bufio.NewReader(c)}
	if _, err := io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); err != nil {
		s.t.Fatal(err)
	}
	h.send(h2Settings, 0, 0, settings)
	return h
}

func (h *h2) send(kind, flags byte, stream uint32, body []byte) {
	h.t.Helper()
	head := []byte{byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body)), kind, flags}
	if _, err := h.c.Write(append(binary.BigEndian.AppendUint32(head, stream), body...)); err != nil {
		h.t.Fatal(err)
	}
}

// ask begins a request; method is an index of the static table (RFC 7541).
func (h *h2) ask(method, flags byte, path string) {
	h.t.Helper()
	h.send(h2Headers, flags|h2EndHeaders, 1, append([]byte{method, 0x87, 0x41, 1, 'x', 0x04, byte(len(path))}, path...))
}

// await reads until one of these kinds of frames arrives.
func (h *h2) await(kinds ...byte) {
	h.t.Helper()
	for {
		var head [9]byte
		if _, err := io.ReadFull(h.in, head[:]); err != nil {
			h.t.Fatalf("no frame of %v: %v", kinds, err)
		}
		if _, err := h.in.Discard(int(head[0])<<16 | int(head[1])<<8 | int(head[2])); err != nil {
			h.t.Fatal(err)
		}
		if slices.Contains(kinds, head[3]) {
			return
		}
	}
}

// TestSlowHTTP2: a client that reads nothing of an answer, or sends no more of a body, is
// disconnected.
func TestSlowHTTP2(t *testing.T) {
	dir := t.TempDir()
	certificate(t, dir, "x")
	s := start(t, serving.Options{
		CheckStatic: []string{tree(t, map[string]string{"a": strings.Repeat("x", 1<<20)})}, SocketTimeout: 200 * time.Millisecond,
		HTTPTo:       []string{backend(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })},
		Certificates: []serving.Certificate{{Cert: filepath.Join(dir, "crt"), Key: filepath.Join(dir, "key")}},
		Log:          serving.Log{Format: "%(method) %(uri) %(werr)"},
	}, "https-socket")
	shut := s.dialH2(0, 4, 0, 0, 0, 0) // INITIAL_WINDOW_SIZE: 0
	shut.ask(0x82, h2EndStream, "/a")
	shut.await(h2Reset)
	eventually(t, "the answer is logged", func() bool { return strings.Contains(s.access.String(), "GET /a 1\n") })
	slow := s.dialH2()
	slow.ask(0x83, 0, "/p")
	slow.await(h2Reset, h2Headers)
	eventually(t, "the request is logged", func() bool { return strings.Contains(s.access.String(), "POST /p ") })
}

// TestFastCGIRequests limits the open requests of one connection.
func TestFastCGIRequests(t *testing.T) {
	s := start(t, serving.Options{CheckStatic: []string{t.TempDir()}}, "fastcgi-socket")
	var b []byte
	for id := range 2 * fcgiRequests {
		one := record(fcgiBegin, string([]byte{0, 1, 1, 0, 0, 0, 0, 0}))
		one[3] = byte(id + 1)
		b = append(b, one...)
	}
	c, err := net.Dial("tcp", s.addr["fastcgi-socket"])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	_, _ = c.Write(b)
	if got, err := io.ReadAll(c); len(got) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%q, %v", got, err)
	}
}

// TestFastCGITogether sends two requests at the same time on one connection.
func TestFastCGITogether(t *testing.T) {
	s := start(t, serving.Options{CheckStatic: []string{tree(t, map[string]string{"a": "text of a"})}}, "fastcgi-socket")
	c, err := net.Dial("tcp", s.addr["fastcgi-socket"])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	first := fcgiAsk(1, "", "REQUEST_METHOD", "GET", "REQUEST_URI", "/a", "SERVER_PROTOCOL", "HTTP/1.1", "HTTP_HOST", "x")
	second := bytes.Clone(first)
	for at := 0; at < len(second); at += 8 + (int(second[at+4])<<8 | int(second[at+5])) {
		second[at+3] = 2
	}
	if _, err := c.Write(append(first[:16:16], append(second, first[16:]...)...)); err != nil { // one begins inside the other
		t.Fatal(err)
	}
	for range 2 {
		if got := fcgiAnswer(t, c); !strings.HasSuffix(got, "text of a") {
			t.Errorf("%q", got)
		}
	}
}

// TestMalformedRecords sends almost valid FastCGI and uwsgi requests: the server must survive.
func TestMalformedRecords(t *testing.T) {
	s := start(t, serving.Options{CheckStatic: []string{tree(t, map[string]string{"a": "a"})}, BufferSize: 4096}, "fastcgi-socket", "uwsgi-socket")
	good := fcgiAsk(0, "body", "REQUEST_METHOD", "POST", "REQUEST_URI", "/a", "SERVER_PROTOCOL", "HTTP/1.1", "CONTENT_LENGTH", "4", "HTTP_HOST", "x")
	packed := packet("REQUEST_METHOD", "GET", "REQUEST_URI", "/a", "HTTP_HOST", "x", "CONTENT_LENGTH", "4")
	dice := rand.New(rand.NewPCG(1, 2))
	for i := range 400 {
		name, b := "fastcgi-socket", bytes.Clone(good)
		if i%2 == 1 {
			name, b = "uwsgi-socket", bytes.Clone(packed)
		}
		for range 1 + dice.IntN(3) {
			b[dice.IntN(len(b))] = byte(dice.Uint32())
		}
		if dice.IntN(3) == 0 {
			b = b[:dice.IntN(len(b))]
		}
		c, err := net.Dial("tcp", s.addr[name])
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write(b)
		_ = c.(*net.TCPConn).CloseWrite()
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d: %x hangs", i, b)
		}
		c.Close()
	}
	if got := s.exchangeRaw("uwsgi-socket", packet("REQUEST_METHOD", "GET", "REQUEST_URI", "/a", "HTTP_HOST", "x")); !strings.HasSuffix(got, "\r\n\r\na") {
		t.Errorf("afterwards: %q", got)
	}
	if strings.Contains(s.log.String(), "panic") {
		t.Error(s.log)
	}
}

// TestSlowHeaders: clients that send one byte after the other are disconnected, with every
// protocol.
func TestSlowHeaders(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as headers may take")
	}
	t.Parallel()
	s := start(t, serving.Options{CheckStatic: []string{tree(t, map[string]string{"a": "a"})}}, "http-socket", "fastcgi-socket", "uwsgi-socket")
	drip := time.NewTicker(100 * time.Millisecond)
	defer drip.Stop()
	open := map[string]net.Conn{}
	for name, text := range map[string]string{
		"http-socket": "GET /a HTTP/1.1\r\nHost: x\r\nX: ", "fastcgi-socket": "\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00",
		"uwsgi-socket": "\x00\xff\x0f\x00",
	} {
		c, err := net.Dial("tcp", s.addr[name])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		open[name] = c
	}
	late := time.After(6 * headerTimeout)
	for len(open) > 0 {
		select {
		case <-drip.C:
		case <-late:
			t.Fatalf("these stay: %v", open)
		}
		for name, c := range open {
			text := "x"
			if name == "fastcgi-socket" {
				text = "\x01\x04\x00\x01\x00\x01\x00\x00x"
			}
			if _, err := io.WriteString(c, text); err != nil {
				delete(open, name)
			}
		}
	}
}

// TestFrontendVariables: additional variables of a frontend are available to rules, programs
// and the log.
func TestFrontendVariables(t *testing.T) {
	s := start(t, serving.Options{
		CGI:    []serving.Map{{Mount: "/c", Dir: tree(t, map[string]string{"env": "#!/bin/sh\nprintf '\\n'; env\n"})}},
		Routes: []serving.Route{{Subject: "run", Action: "addheader", Arg: "X-Colour: ${COLOUR}"}},
		Log:    serving.Log{Format: "%(user) %(var.COLOUR) %(var.SERVER_NAME)"},
	}, "uwsgi-socket", "fastcgi-socket")
	vars := []string{
		"REQUEST_METHOD", "GET", "REQUEST_URI", "/c/env", "HTTP_HOST", "x", "SERVER_PROTOCOL", "HTTP/1.1", "COLOUR", "blue", "REMOTE_USER", "jo",
		"SERVER_NAME", "site", "LD_PRELOAD", "evil.so", "PATH", "/evil", "HTTP_PROXY", "evil",
	}
	for name, got := range map[string]string{
		"uwsgi-socket": s.exchangeRaw("uwsgi-socket", packet(vars...)), "fastcgi-socket": s.exchangeRaw("fastcgi-socket", fcgiAsk(0, "", vars...)),
	} {
		for _, want := range []string{"X-Colour: blue\r\n", "\nCOLOUR=blue\n", "\nREMOTE_USER=jo\n", "\nSERVER_NAME=site\n"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in %s", name, want, got)
			}
		}
		if strings.Contains(got, "evil") {
			t.Errorf("%s: %s", name, got)
		}
	}
	eventually(t, "both are logged", func() bool { return strings.Count(s.access.String(), "jo blue site\n") == 2 })
}

// TestUnrulyPrograms runs CGI programs that break the rules.
func TestUnrulyPrograms(t *testing.T) {
	dir := tree(t, map[string]string{
		"nobody":   "#!/bin/sh\nprintf 'Status: 204 No Content\\n\\nthere is something\\n'\n",
		"early":    "#!/bin/sh\nprintf 'X: y\\n\\nall'; exec >&-; sleep 0.2; exit 3\n",
		"unread":   "#!/bin/sh\nprintf '\\nenough'\n",
		"forks":    "#!/bin/sh\nprintf '\\nforked'; (sleep 60 >/dev/null 2>&1 &)\n",
		"absolute": "#!/bin/sh\nprintf 'Status: 307 There\\nLocation: https://elsewhere/\\n\\n'\n",
		"status":   "#!/bin/sh\nprintf 'Status: 99\\n\\n'\n",
		"killed":   "#!/bin/sh\nkill -9 $$\n",
		"long":     "#!/bin/sh\nprintf 'Content-Length: 3\\n\\nmore than three'\n",
	})
	writeFile(t, filepath.Join(dir, "plain"), "no program", 0o644)
	writeFile(t, filepath.Join(dir, "nothing"), "\x00\x01\x02", 0o755)
	s := start(t, serving.Options{CGI: []serving.Map{{Mount: "/", Dir: dir}}})
	for path, want := range map[string]struct {
		status   int
		body, to string
	}{
		"/nobody": {204, "", ""}, "/early": {200, "all", ""}, "/forks": {200, "forked", ""}, "/absolute": {307, "", "https://elsewhere/"},
		"/status": {502, "bad gateway\n", ""}, "/killed": {502, "bad gateway\n", ""}, "/plain": {403, "forbidden\n", ""}, "/nothing": {500, "internal server error\n", ""},
	} {
		a, body := s.get(path)
		if a.StatusCode != want.status || body != want.body || a.Header.Get("Location") != want.to {
			t.Errorf("%s: %d %q to %q, want %+v", path, a.StatusCode, body, a.Header.Get("Location"), want)
		}
	}
	if got := s.raw("GET /long HTTP/1.1\r\nHost: x\r\n\r\n"); strings.Contains(got, "more than") {
		t.Errorf("more than it said: %q", got)
	}
	r, err := http.NewRequest(http.MethodPost, "http://"+s.addr["http-socket"]+"/unread", strings.NewReader(strings.Repeat("x", 128<<10))) // more than a pipe holds, less than net/http reads without a handler
	if err != nil {
		t.Fatal(err)
	}
	if a, body := s.do(r); a.StatusCode != http.StatusOK || body != "enough" {
		t.Errorf("a body that is not read: %d %q", a.StatusCode, body)
	}
}

func writeFile(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
