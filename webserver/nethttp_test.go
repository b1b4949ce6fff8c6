package webserver

import (
	"bytes"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// watched records how net/http uses a connection.
type watched struct {
	net.Conn
	mu     sync.Mutex
	writes []string // the beginning of each write
	calls  []string
}

func (w *watched) note(call string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, call)
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	w.writes = append(w.writes, string(b[:min(len(b), 12)]))
	w.mu.Unlock()
	return w.Conn.Write(b)
}

func (w *watched) ReadFrom(r io.Reader) (int64, error) {
	if _, ok := r.(*io.LimitedReader); ok {
		w.note("ReadFrom")
	}
	return io.Copy(w.Conn, r)
}

func (w *watched) CloseWrite() error {
	w.note("CloseWrite")
	return w.Conn.(*net.TCPConn).CloseWrite()
}

// watching accepts watched connections.
type watching struct {
	net.Listener
	accepted chan *watched
}

func (l *watching) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	w := &watched{Conn: c}
	l.accepted <- w
	return w, nil
}

// conns.go relies on these properties of net/http, which its documentation does not promise:
// the states of a connection, the form of the answers that it gives itself, and the methods of a
// connection that it uses.
func TestConnectionsOfNetHTTP(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &watching{inner, make(chan *watched, 10)}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, bytes.Repeat([]byte("x"), 100<<10), 0o644); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	states := map[net.Conn][]http.ConnState{}
	web := &http.Server{
		ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) }),
		ConnState: func(c net.Conn, s http.ConnState) {
			mu.Lock()
			defer mu.Unlock()
			states[c] = append(states[c], s)
		},
	}
	go func() { _ = web.Serve(l) }()
	defer web.Close()
	// ask returns the states of a connection, and how it was used.
	ask := func(text string) (seen []http.ConnState, calls, writes []string) {
		t.Helper()
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, text)
		_, _ = io.Copy(io.Discard, c)
		w := <-l.accepted
		eventually(t, "the connection is closed", func() bool {
			mu.Lock()
			defer mu.Unlock()
			seen = slices.Clone(states[w])
			return slices.Contains(seen, http.StateClosed)
		})
		w.mu.Lock()
		defer w.mu.Unlock()
		return seen, slices.Clone(w.calls), slices.Clone(w.writes)
	}
	const get = "GET / HTTP/1.1\r\nHost: x\r\n"
	seen, calls, _ := ask(get + "\r\n" + get + "Connection: close\r\n\r\n")
	if want := []http.ConnState{http.StateNew, http.StateActive, http.StateIdle, http.StateActive, http.StateClosed}; !slices.Equal(seen, want) {
		t.Errorf("states %v, want %v", seen, want)
	}
	if want := []string{"ReadFrom", "ReadFrom"}; !slices.Equal(calls, want) {
		t.Errorf("calls %v, want %v: files are not sent by conn.ReadFrom", calls, want)
	}
	for text, status := range map[string]string{
		"nonsense\r\n\r\n":                            "400",
		"GET / HTTP/1.1\r\n\r\n":                      "400",
		"GET / HTTP/3.0\r\nHost: x\r\n\r\n":           "505",
		get + "Transfer-Encoding: gzip\r\n\r\n":       "501",
		get + "X: " + strings.Repeat("x", 2<<20):      "431",
		get + "Content-Length: 1, 2\r\n\r\n":          "400",
		get + "Expect: a miracle\r\n\r\n":             "417",
		get + "X: y\r\nTransfer-Encoding: x\r\n\r\nx": "501",
	} {
		_, calls, writes := ask(text)
		if first := strings.Join(writes[:min(1, len(writes))], ""); first != "HTTP/1.1 "+status {
			t.Errorf("%.40q is answered by %q, want one write that begins HTTP/1.1 %s (refusal)", text, writes, status)
		}
		if status == "431" && !slices.Contains(calls, "CloseWrite") {
			t.Errorf("%.40q: calls %v, want CloseWrite before the end", text, calls)
		}
	}
}

// The protocols of frontends rely on these properties of net/http/cgi.
func TestRequestsOfNetHTTP(t *testing.T) {
	vars := func(more ...string) map[string]string {
		m := map[string]string{"REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "x", "REQUEST_URI": "/a%20b?c"}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	for name, test := range map[string]struct {
		vars  map[string]string
		holds func(*http.Request) bool
	}{
		"a negative length is kept":      {vars("CONTENT_LENGTH", "-6"), func(r *http.Request) bool { return r.ContentLength < 0 }},
		"without a length it is zero":    {vars(), func(r *http.Request) bool { return r.ContentLength == 0 }},
		"REQUEST_URI is the URL":         {vars("PATH_INFO", "/other"), func(r *http.Request) bool { return r.URL.RequestURI() == "/a%20b?c" && r.RequestURI == "" }},
		"the client has address, port":   {vars("REMOTE_ADDR", "::1", "REMOTE_PORT", "9"), func(r *http.Request) bool { return r.RemoteAddr == "[::1]:9" }},
		"HTTPS makes it TLS":             {vars("HTTPS", "on"), func(r *http.Request) bool { return r.TLS != nil && r.TLS.HandshakeComplete }},
		"HTTP_ variables are the header": {vars("HTTP_X_YZ", "1", "CONTENT_TYPE", "t"), func(r *http.Request) bool { return r.Header.Get("X-Yz") == "1" && r.Header.Get("Content-Type") == "t" }},
		"there is no body":               {vars(), func(r *http.Request) bool { return r.Body == nil }},
		"a bad length is an error":       {vars("CONTENT_LENGTH", "six"), nil},
		"no method is an error":          {map[string]string{"SERVER_PROTOCOL": "HTTP/1.1"}, nil},
		"a bad protocol is an error":     {vars("SERVER_PROTOCOL", "GOPHER"), nil},
	} {
		r, err := cgi.RequestFromMap(test.vars)
		if test.holds == nil && err == nil || test.holds != nil && (err != nil || !test.holds(r)) {
			t.Errorf("%s does not hold: %+v, %v", name, r, err)
		}
	}
	var _ interface{ NetConn() net.Conn } = (*tls.Conn)(nil) // connOf
}
