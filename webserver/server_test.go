package webserver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a log that tests read.
type recorder struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (r *recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.Write(b)
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.String()
}

// running is a server under test.
type running struct {
	t      testing.TB
	addr   map[string]string // by socket name
	access *recorder
	log    *recorder
	notes  chan string
	stop   context.CancelFunc
	ended  chan error
}

// start serves the options on loopback sockets until the test ends.
func start(t testing.TB, o serving.Options, names ...string) *running {
	t.Helper()
	return startWith(t, Config{Options: o, Grace: 200 * time.Millisecond}, names...)
}

func startWith(t testing.TB, c Config, names ...string) *running {
	t.Helper()
	if len(names) == 0 {
		names = []string{"http-socket"}
	}
	s := &running{t: t, addr: map[string]string{}, access: &recorder{}, log: &recorder{}, notes: make(chan string, 100), ended: make(chan error, 1)}
	for _, name := range names {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c.Sockets = append(c.Sockets, Socket{name, l})
		s.addr[name] = l.Addr().String()
	}
	c.Log, c.AccessLog = slog.New(slog.NewTextHandler(s.log, nil)), s.access
	c.Notify = func(state string) { s.notes <- state }
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go func() { s.ended <- Serve(ctx, &c) }()
	select {
	case err := <-s.ended:
		t.Fatal(err)
	case note := <-s.notes:
		if note != "READY=1" {
			t.Fatalf("the first note is %q", note)
		}
	}
	t.Cleanup(s.end)
	return s
}

// end stops the server and waits for it.
func (s *running) end() {
	s.stop()
	select {
	case err, ok := <-s.ended:
		if ok {
			close(s.ended)
			if err != nil {
				s.t.Errorf("the server ended with %v", err)
			}
		}
	case <-time.After(10 * time.Second):
		s.t.Error("the server does not end")
	}
}

// do sends a request on a connection of its own and returns the answer with its body.
func (s *running) do(r *http.Request) (*http.Response, string) {
	s.t.Helper()
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       10 * time.Second,
	}
	a, err := client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return a, string(body)
}

// get requests a path; more headers are name, value pairs.
func (s *running) get(path string, headers ...string) (*http.Response, string) {
	s.t.Helper()
	r, err := http.NewRequest(http.MethodGet, "http://"+s.addr["http-socket"]+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return s.do(r)
}

// raw sends text unchanged and returns all bytes that come back.
func (s *running) raw(text string) string {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr["http-socket"])
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		s.t.Fatal(err)
	}
	answer, _ := io.ReadAll(c)
	return string(answer)
}

// tree makes files in a new directory. A value that starts with -> is a link.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, link := strings.CutPrefix(text, "->"); link {
			err = os.Symlink(strings.ReplaceAll(to, "DIR", dir), full)
		} else {
			err = os.WriteFile(full, []byte(text), 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// eventually waits for an event that happens soon.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 2000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("never: " + what)
}

func TestNothingToServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = Serve(context.Background(), &Config{Sockets: []Socket{{"http-socket", l}}, Log: slog.New(slog.DiscardHandler), AccessLog: io.Discard})
	if !errors.Is(err, ErrNothing) {
		t.Errorf("got %v", err)
	}
}

func TestNotes(t *testing.T) {
	s := start(t, serving.Options{CheckStatic: []string{tree(t, map[string]string{"a": "x"})}, Heartbeat: 20 * time.Millisecond})
	s.get("/a")
	s.get("/a")
	seen := map[string]int{}
	for seen["LOYAL=1"] == 0 || seen["WATCHDOG=1"] < 3 {
		select {
		case n := <-s.notes:
			seen[n]++
		case <-time.After(5 * time.Second):
			t.Fatalf("notes so far: %v", seen)
		}
	}
	s.end()
	for len(s.notes) > 0 {
		seen[<-s.notes]++
	}
	if seen["STOPPING=1"] != 1 || seen["LOYAL=1"] != 1 {
		t.Errorf("notes: %v", seen)
	}
}

func TestLimits(t *testing.T) {
	s := start(t, serving.Options{
		CheckStatic: []string{tree(t, map[string]string{"a": "x"})}, BufferSize: 8 << 10, LimitPost: 1000, SocketTimeout: 300 * time.Millisecond,
		HTTPTo: []string{backend(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/early" {
				w.Header().Set("Connection", "close")
				_, _ = io.WriteString(w, "early")
				return
			}
			n, err := io.Copy(io.Discard, r.Body)
			if err == nil {
				_, _ = io.WriteString(w, strings.Repeat(".", int(n)))
			}
		})},
	})
	t.Run("huge headers", func(t *testing.T) {
		if got := s.raw("GET /a HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 20<<10) + "\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 431 ") {
			t.Errorf("got %.60q", got)
		}
	})
	t.Run("body with a size", func(t *testing.T) {
		if got := s.raw("POST /p HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1001\r\n\r\n" + strings.Repeat("x", 1001)); !strings.HasPrefix(got, "HTTP/1.1 413 ") {
			t.Errorf("got %.60q", got)
		}
	})
	t.Run("body without a size", func(t *testing.T) {
		got := s.raw("POST /p HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" + strings.Repeat("x", 2000) + "\r\n0\r\n\r\n")
		if !strings.HasPrefix(got, "HTTP/1.1 413 ") {
			t.Errorf("got %.60q", got)
		}
	})
	t.Run("body within the bound", func(t *testing.T) {
		got := s.raw("POST /p HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10\r\n\r\n0123456789")
		if !strings.HasSuffix(got, "\r\n\r\n..........") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("slow body", func(t *testing.T) {
		for _, path := range []string{"/p", "/a"} { // one with a reader, one without
			began := time.Now()
			s.raw("POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01")
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("%s: a client that sends nothing more stays for %v", path, took)
			}
		}
	})
	// The rest of a body is no request, also when its answer came before it.
	t.Run("body after its answer", func(t *testing.T) {
		c, err := net.Dial("tcp", s.addr["http-socket"])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(c, "POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n01")
		in := bufio.NewReader(c)
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(answer.Body); err != nil || string(text) != "early" {
			t.Errorf("got %q, %v", text, err)
		}
		if rest, err := io.ReadAll(in); errors.Is(err, os.ErrDeadlineExceeded) || len(rest) > 0 {
			t.Errorf("the connection stays: %q, %v", rest, err)
		}
	})
}

func TestSlowReader(t *testing.T) {
	dir := tree(t, nil)
	f, err := os.Create(filepath.Join(dir, "big"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(64 << 20); err != nil {
		t.Fatal(err)
	}
	f.Close()
	s := start(t, serving.Options{CheckStatic: []string{dir}, SocketTimeout: 200 * time.Millisecond, Log: serving.Log{Format: "%(uri) %(werr)"}})
	c, err := net.Dial("tcp", s.addr["http-socket"])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the client that does not read is given up", func() bool { return strings.Contains(s.access.String(), "/big 1") })
}

func TestRequestTimeout(t *testing.T) {
	release := make(chan struct{})
	s := start(t, serving.Options{RequestTimeout: 100 * time.Millisecond, HTTPTo: []string{backend(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})}})
	a, _ := s.get("/")
	close(release)
	if a.StatusCode != http.StatusGatewayTimeout || !strings.Contains(s.log.String(), "request-timeout") {
		t.Errorf("status %d, log %s", a.StatusCode, s.log)
	}
}

// backend is another HTTP server.
func backend(t *testing.T, h http.HandlerFunc) (address string) {
	t.Helper()
	b := httptest.NewServer(h)
	t.Cleanup(b.Close)
	return b.Listener.Addr().String()
}

// First is called once, and Busy until it has succeeded.
func TestPrepare(t *testing.T) {
	first, busy := 0, 0
	s := &server{config: Config{First: func() { first++ }, Busy: func() bool { busy++; return busy == 2 }}}
	for _, tt := range []struct {
		active int64
		busy   int
	}{{1, 0}, {busyRequests - 1, 0}, {busyRequests, 1}, {1, 1}, {busyRequests + 3, 2}, {busyRequests, 2}} {
		if s.prepare(tt.active); first != 1 || busy != tt.busy {
			t.Errorf("%d requests: first %d, busy %d, want %d", tt.active, first, busy, tt.busy)
		}
	}
	(&server{}).prepare(busyRequests)
}
