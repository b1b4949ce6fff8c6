package webserver

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// listening is a server that answers each connection by a function, and closes it then.
func listening(t testing.TB, network string, answer func(c net.Conn)) (address string) {
	t.Helper()
	at := "127.0.0.1:0"
	if network == "unix" {
		at = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				answer(c)
			}()
		}
	}()
	return l.Addr().String()
}

// rawBackend is such a server of HTTP.
func rawBackend(t *testing.T, answer func(c net.Conn, r *http.Request)) (address string) {
	t.Helper()
	return listening(t, "tcp", func(c net.Conn) {
		if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			answer(c, r)
		}
	})
}

// Answers of a server of HTTP: with and without a length, with trailers, without a body, and invalid
// ones, which are answered with 502.
func TestPassedOnAnswers(t *testing.T) {
	heads := map[string]string{
		"/length": "200 OK\r\nContent-Length: 4\r\n\r\ntext", "/closed": "200 OK\r\n\r\ntext", "/none": "204 No Content\r\n\r\n",
		"/chunks":  "200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n4\r\ntext\r\n0\r\nX-End: yes\r\n\r\n",
		"/early":   "100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntext",
		"/other":   "101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
		"/large":   "200 OK\r\nX: " + strings.Repeat("x", mostHead) + "\r\n\r\n",
		"/endless": "100 Continue\r\n\r\n" + strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", mostHead/25),
		"/silent":  "", "/frob": "frob\r\n\r\n", "/cut": "200 OK\r\nContent-",
	}
	s := start(t, serving.Options{HTTPTo: []string{rawBackend(t, func(c net.Conn, r *http.Request) {
		if r.URL.Path != "/silent" {
			_, _ = io.WriteString(c, "HTTP/1.1 "+heads[r.URL.Path])
		}
	})}})
	for path := range heads {
		want := map[string]string{"/none": "204 "}[path]
		switch path {
		case "/length", "/closed", "/chunks", "/early":
			want = "200 text"
		case "/other", "/large", "/silent", "/frob", "/cut":
			want = "502 bad gateway"
		case "/endless":
			if got := s.raw("GET /endless HTTP/1.1\r\nHost: x\r\nPragma: a\r\nConnection: close\r\n\r\n"); len(got) > 2*mostHead {
				t.Errorf("%d bytes of interim answers", len(got))
			}
			continue
		}
		r, err := http.NewRequest(http.MethodGet, "http://"+s.addr["http-socket"]+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Pragma", "a") // net/http reads it
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(a.Body)
		a.Body.Close()
		if got := fmt.Sprint(a.StatusCode, " ", strings.TrimSpace(string(body))); got != want || err != nil {
			t.Errorf("%s: %s, %v", path, got, err)
		}
		if path == "/chunks" && a.Trailer.Get("X-End") != "yes" {
			t.Errorf("trailers %v", a.Trailer)
		}
	}
}

// An interim answer reaches the client before the last one.
func TestPassedOnHints(t *testing.T) {
	release := make(chan struct{})
	s := start(t, serving.Options{HTTPTo: []string{rawBackend(t, func(c net.Conn, _ *http.Request) {
		_, _ = io.WriteString(c, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
		<-release
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	})}})
	hinted := ""
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(_ int, h textproto.MIMEHeader) error { hinted = h.Get("Link"); close(release); return nil },
	}), http.MethodGet, "http://"+s.addr["http-socket"]+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Pragma", "a")
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
	if hinted != "</a>" || a.StatusCode != http.StatusOK || a.Header.Get("Link") != "" {
		t.Errorf("%q, %d, %v", hinted, a.StatusCode, a.Header)
	}
}

// An answer may come before the body has been read, and reaches the client. A body that its client does not
// finish reaches no server as a complete one.
func TestPassedOnBodies(t *testing.T) {
	cut := make(chan error, 1)
	s := start(t, serving.Options{HTTPTo: []string{rawBackend(t, func(c net.Conn, r *http.Request) {
		if r.URL.Path == "/early" {
			_, _ = io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
		}
		_, err := io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/cut" {
			cut <- err
		}
	})}})
	a, err := http.Post("http://"+s.addr["http-socket"]+"/early", "a/b", strings.NewReader(strings.Repeat("x", 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(a.Body)
	a.Body.Close()
	if a.StatusCode != http.StatusForbidden || string(body) != "no" || err != nil {
		t.Errorf("%d %q %v", a.StatusCode, body, err)
	}
	for _, head := range []string{"Content-Length: 100\r\n\r\nfirst", "Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"} {
		c, err := net.Dial("tcp", s.addr["http-socket"])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, "POST /cut HTTP/1.1\r\nHost: x\r\n"+head); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond) // the beginning is passed on
		c.Close()
		if err := <-cut; err == nil {
			t.Errorf("%q counts as complete", head)
		}
	}
}

// A client that leaves ends an answer without an end.
func TestPassedOnAnswerWithoutAnEnd(t *testing.T) {
	ended := make(chan struct{})
	s := start(t, serving.Options{HTTPTo: []string{rawBackend(t, func(c net.Conn, _ *http.Request) {
		_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		for err == nil {
			_, err = io.WriteString(c, "more and more\n")
		}
		close(ended)
	})}})
	c, err := net.Dial("tcp", s.addr["http-socket"])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nPragma: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 100<<10)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("its server still sends")
	}
}

// A frontend of another protocol cannot add lines to the head of a request.
func TestPassedOnHeads(t *testing.T) {
	for _, r := range []*http.Request{
		{Method: "GET\r\nX: y"},
		{Method: http.MethodGet, Header: http.Header{"X\r\nY": {"z"}}},
		{Method: http.MethodGet, Header: http.Header{"X": {"y\r\nZ: z"}}},
		{Method: http.MethodGet, Header: http.Header{"": {"y"}}},
	} {
		if valid(r) == nil {
			t.Errorf("%+v is valid", r)
		}
	}
	if err := valid(&http.Request{Method: "FROB", Header: http.Header{"X-Y": {"tab\tand \xc3\xa4"}}}); err != nil {
		t.Error(err)
	}
}
