package webserver

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

var nullLog = slog.New(slog.DiscardHandler)

// testExchange is a request without a connection; nil for an invalid target.
func testExchange(target string) *exchange {
	u, err := url.ParseRequestURI(target)
	if err != nil || !strings.HasPrefix(u.Path, "/") {
		return nil
	}
	r := &http.Request{Method: http.MethodGet, URL: u, RequestURI: target, Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, RemoteAddr: "127.0.0.1:1"}
	return &exchange{ResponseWriter: httptest.NewRecorder(), r: r, path: cleanPath(u.Path), started: time.Now(), connection: connection{draining: func() bool { return false }}}
}

func TestCGI(t *testing.T) {
	dir := tree(t, map[string]string{
		"env":        "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\nX-One: 1\\r\\n\\r\\n'; env; cat\n",
		"sub/deep":   "#!/bin/sh\nprintf 'Status: 202 Yes\\n\\n%s %s' \"$SCRIPT_NAME\" \"$PATH_INFO\"\n",
		"cat":        "#!/bin/sh\nprintf '\\n'; cat\n",
		"to":         "#!/bin/sh\nprintf 'Location: /elsewhere\\n\\n'\n",
		"bad":        "#!/bin/sh\necho no headers\n",
		"none":       "#!/bin/sh\nexit 3\n",
		"slow":       "#!/bin/sh\nprintf 'X: y\\n\\n'; echo $$ > pid; sleep 60 & sleep 60\n",
		"text.py":    "import os\nprint('Content-Type: a/b')\nprint()\nprint('python', os.environ['PATH_INFO'])\n",
		"index.sh":   "#!/bin/sh\nprintf '\\nindex'\n",
		"out":        "->/bin/true",
		"big":        "#!/bin/sh\nprintf '\\n'; head -c 3000000 /dev/zero\n",
		"big-header": "#!/bin/sh\nprintf 'X: '; head -c 300000 /dev/zero | tr '\\0' x; printf '\\n\\n'\n",
	})
	options := serving.Options{
		CGI:        []serving.Map{{Mount: "/c", Dir: dir}, {Mount: "/single", Dir: filepath.Join(dir, "sub/deep")}},
		CGIHelpers: []serving.CGIHelper{{Ext: ".py", Program: "python3"}}, CGIIndex: []string{"none.sh", "index.sh"},
	}
	s := start(t, options)
	for _, c := range []struct {
		path   string
		status int
		body   string
	}{
		{"/c/sub/deep/more/info", 202, "/c/sub/deep /more/info"},
		{"/c/sub/deep/", 202, "/c/sub/deep "},
		{"/c/sub/deep", 202, "/c/sub/deep "},
		{"/single/x", 202, "/single /x"},
		{"/c/to", 302, ""},
		{"/c/bad", 502, ""},
		{"/c/none", 502, ""},
		{"/c/text.py/i", 200, "python /i\n"},
		{"/c/", 200, "index"},
		{"/c/out", 404, ""},
		{"/c/../../bin/true", 404, ""},
		{"/c/missing", 404, ""},
		{"/c/big-header", 502, ""},
	} {
		a, body := s.get(c.path)
		if a.StatusCode != c.status || c.body != "" && body != c.body {
			t.Errorf("%s: %d %q, want %d %q", c.path, a.StatusCode, body, c.status, c.body)
		}
	}
	if _, body := s.get("/c/big"); len(body) != 3000000 {
		t.Errorf("%d bytes of a large answer", len(body))
	}
	r, err := http.NewRequest(http.MethodPost, "http://"+s.addr["http-socket"]+"/c/env/p%20i?q=1", strings.NewReader("the body"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Proxy", "evil")
	r.Header.Set("X_Under", "evil")
	r.Header.Set("X-Some", "thing")
	r.Header.Set("Content-Type", "a/b")
	a, body := s.do(r)
	for _, want := range []string{"REQUEST_METHOD=POST\n", "PATH_INFO=/p i\n", "QUERY_STRING=q=1\n", "CONTENT_LENGTH=8\n", "CONTENT_TYPE=a/b\n", "HTTP_X_SOME=thing\n", "SCRIPT_NAME=/c/env\n", "REMOTE_ADDR=127.0.0.1\n", "GATEWAY_INTERFACE=CGI/1.1\n", "the body"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in %s", want, body)
		}
	}
	if strings.Contains(body, "evil") || a.Header.Get("X-One") != "1" {
		t.Errorf("headers %v, environment %s", a.Header, body)
	}
	t.Run("a program that answers while it reads", func(t *testing.T) {
		body := strings.Repeat("0123456789", 100_000)
		r, err := http.NewRequest(http.MethodPost, "http://"+s.addr["http-socket"]+"/c/cat", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if _, got := s.do(r); got != body {
			t.Errorf("%d bytes came back", len(got))
		}
	})
	t.Run("a slow program ends with its request", func(t *testing.T) {
		options.RequestTimeout = 3 * time.Second
		s := start(t, options)
		c, err := net.Dial("tcp", s.addr["http-socket"])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET /c/slow HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		pid := 0
		eventually(t, "the program starts", func() bool {
			text, _ := os.ReadFile(filepath.Join(dir, "pid"))
			pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
			return pid > 0
		})
		eventually(t, "its process group ends", func() bool { return syscall.Kill(-pid, 0) == syscall.ESRCH })
	})
}

func TestCGIExtensions(t *testing.T) {
	dir := tree(t, map[string]string{"a.cgi": "#!/bin/sh\nprintf '\\na'\n", "b.txt": "#!/bin/sh\nprintf '\\nb'\n"})
	s := start(t, serving.Options{CGI: []serving.Map{{Mount: "/", Dir: dir}}, CGIExt: []string{".cgi"}})
	if a, body := s.get("/a.cgi"); a.StatusCode != http.StatusOK || body != "a" {
		t.Errorf("%d %q", a.StatusCode, body)
	}
	if a, _ := s.get("/b.txt"); a.StatusCode != http.StatusForbidden {
		t.Errorf("%d", a.StatusCode)
	}
}

func TestProxy(t *testing.T) {
	handler := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("X-Proto", r.Header.Get("X-Forwarded-Proto"))
			fmt.Fprintf(w, "%s %s %s %s %s", name, r.Method, r.Host, r.URL, body)
		}
	}
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	unix := &http.Server{Handler: handler("unix"), ReadHeaderTimeout: time.Second}
	go func() { _ = unix.Serve(l) }()
	defer unix.Close()
	s := start(t, serving.Options{CheckStatic: []string{tree(t, map[string]string{"f": "file"})}, HTTPTo: []string{backend(t, handler("tcp")), path}})
	if _, body := s.get("/f"); body != "file" {
		t.Errorf("a file: %q", body)
	}
	seen := map[string]bool{}
	for range 4 {
		r, err := http.NewRequest(http.MethodPost, "http://"+s.addr["http-socket"]+"/f?q", strings.NewReader("data"))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "site"
		a, body := s.do(r)
		name, rest, _ := strings.Cut(body, " ")
		if seen[name] = true; rest != "POST site /f?q data" || a.Header.Get("X-Proto") != "http" {
			t.Errorf("got %q %v", body, a.Header)
		}
	}
	if !seen["tcp"] || !seen["unix"] {
		t.Errorf("not in turn: %v", seen)
	}
}

func TestProxyWithoutBackend(t *testing.T) {
	s := start(t, serving.Options{HTTPTo: []string{"127.0.0.1:1"}})
	if a, _ := s.get("/"); a.StatusCode != http.StatusBadGateway {
		t.Errorf("status %d", a.StatusCode)
	}
}

// A request waits for a server that does not listen yet, at most for the given time.
func TestProxyWaitsForABackend(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s := start(t, serving.Options{HTTPTo: []string{path}, HTTPToWait: time.Minute})
	answer := make(chan string)
	go func() {
		_, body := s.get("/")
		answer <- body
	}()
	select {
	case body := <-answer:
		t.Fatalf("it has not waited: %q", body)
	case <-time.After(100 * time.Millisecond):
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	late := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "late") }), ReadHeaderTimeout: time.Second}
	go func() { _ = late.Serve(l) }()
	defer late.Close()
	if body := <-answer; body != "late" {
		t.Errorf("got %q", body)
	}
	short := start(t, serving.Options{HTTPTo: []string{"127.0.0.1:1"}, HTTPToWait: 50 * time.Millisecond})
	if a, _ := short.get("/"); a.StatusCode != http.StatusBadGateway {
		t.Errorf("status %d", a.StatusCode)
	}
}

// TestWebsocket passes an upgrade and then bytes both ways.
func TestWebsocket(t *testing.T) {
	to := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "echo" {
			t.Errorf("no upgrade: %v", r.Header)
		}
		c, both, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		_, _ = both.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = both.Flush()
		line, _ := both.ReadString('\n')
		_, _ = both.WriteString("echo " + line)
		_ = both.Flush()
	})
	s := start(t, serving.Options{HTTPTo: []string{to}})
	c, err := net.Dial("tcp", s.addr["http-socket"])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	in := bufio.NewReader(c)
	a, err := http.ReadResponse(in, nil)
	if err != nil || a.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %v", a, err)
	}
	_, _ = io.WriteString(c, "hello\n")
	if line, err := in.ReadString('\n'); line != "echo hello\n" {
		t.Errorf("%q %v", line, err)
	}
}

func TestAddHeader(t *testing.T) {
	s := start(t, serving.Options{CheckStatic: []string{tree(t, map[string]string{"a": "x"})}, AddHeaders: []string{"X-All: always", "X-All: twice"}})
	for _, path := range []string{"/a", "/none"} {
		if a, _ := s.get(path); len(a.Header.Values("X-All")) != 2 {
			t.Errorf("%s: %v", path, a.Header)
		}
	}
}
