package webserver

import (
	"crypto/tls"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// TestRefusalsAreLogged: requests that net/http refuses before a handler gets them have
// exactly one line in the log, too.
func TestRefusalsAreLogged(t *testing.T) {
	dir := t.TempDir()
	certificate(t, dir, "x")
	s := start(t, serving.Options{
		CheckStatic: []string{tree(t, map[string]string{"a": "a"})}, BufferSize: 4096,
		Certificates: []serving.Certificate{{Cert: filepath.Join(dir, "crt"), Key: filepath.Join(dir, "key")}},
		Log:          serving.Log{Format: "%(addr) %(method) %(uri) %(proto) %(status) %(user)"},
	}, "http-socket", "https-socket", "uwsgi-socket")
	const good = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
	large := "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 16<<10) + "\r\n\r\n"
	want := ""
	check := func(what string, lines ...string) {
		t.Helper()
		for _, l := range lines {
			want += l + "\n"
		}
		eventually(t, what, func() bool { return s.access.String() == want })
	}
	s.exchangeRaw("http-socket", []byte("nonsense\r\n\r\n"))
	check("nonsense", "127.0.0.1 - - - 400 -")
	s.exchangeRaw("http-socket", []byte(large))
	check("large headers", "127.0.0.1 - - - 431 -")
	s.exchangeRaw("http-socket", []byte("GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n"))
	check("a coding that is not known", "127.0.0.1 - - - 501 -")
	s.exchangeRaw("http-socket", []byte("GET / HTTP/1.1\r\nHost: x\r\nExpect: a miracle\r\n\r\n"))
	check("an expectation", "127.0.0.1 - - - 417 -")
	s.exchangeRaw("uwsgi-socket", packet("REQUEST_METHOD", "GET"))
	check("no path", "127.0.0.1 - - - 400 -")
	c, err := net.Dial("tcp", s.addr["http-socket"])
	if err != nil {
		t.Fatal(err)
	}
	talk(t, c, good+good+"nonsense\r\n\r\n")
	check("behind others", strings.Repeat("127.0.0.1 GET /a HTTP/1.1 200 -\n", 2)+"127.0.0.1 - - - 400 -")
	secure, err := tls.Dial("tcp", s.addr["https-socket"], &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	talk(t, secure, good+"nonsense\r\n\r\n")
	check("in TLS", "127.0.0.1 GET /a HTTP/1.1 200 -", "127.0.0.1 - - - 400 -")
	secure, err = tls.Dial("tcp", s.addr["https-socket"], &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(secure, "GET / HT"); err != nil { // then it disconnects
		t.Fatal(err)
	}
	secure.Close()
	check("half a line", "127.0.0.1 - - - 400 -")
	if got := s.exchangeRaw("http-socket", []byte("OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") {
		t.Errorf("OPTIONS *: %q", got)
	}
	s.end()
	check("no more than these", "127.0.0.1 OPTIONS * HTTP/1.1 200 -")
}

// talk sends text and waits for the end of the connection.
func talk(t *testing.T, c net.Conn, text string) {
	t.Helper()
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Fatal(err)
	}
}
