package webserver

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// endless makes programs that write their pid into the file that the query names, and then run
// for long.
func endless(t *testing.T) string {
	t.Helper()
	return tree(t, map[string]string{
		"silent":  "#!/bin/sh\ncat >/dev/null; echo $$ >$QUERY_STRING; exec sleep 60\n",
		"talking": "#!/bin/sh\ncat >/dev/null; printf 'X: y\\n\\npart'; echo $$ >$QUERY_STRING; exec sleep 60\n",
		"dying":   "#!/bin/sh\nprintf 'X: y\\n\\npart'; kill -9 $$\n",
		"quick":   "#!/bin/sh\nprintf 'X: y\\n\\nall'\n",
	})
}

// begun waits for an endless program and returns its process group.
func begun(t *testing.T, file string) (pid int) {
	t.Helper()
	eventually(t, "the program begins", func() bool {
		text, _ := os.ReadFile(file)
		pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		return pid > 0
	})
	return pid
}

// TestClientThatIsGone: when the client has disconnected, the program ends, with every
// protocol.
func TestClientThatIsGone(t *testing.T) {
	dir := endless(t)
	s := start(t, serving.Options{CGI: []serving.Map{{Mount: "/", Dir: dir}}}, "http-socket", "uwsgi-socket", "fastcgi-socket")
	number := 0
	for _, program := range []string{"silent", "talking"} {
		for _, body := range []string{"", "a body"} {
			for name, end := range map[string]func(net.Conn) error{
				"http-socket":    net.Conn.Close,
				"uwsgi-socket":   net.Conn.Close,
				"fastcgi-socket": net.Conn.Close,
				"abort": func(c net.Conn) error {
					_, err := c.Write(record(fcgiAbort, ""))
					return err
				},
			} {
				number++
				query := strconv.Itoa(number)
				c, err := net.Dial("tcp", s.addr[strings.Replace(name, "abort", "fastcgi-socket", 1)])
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(10 * time.Second))
				if _, err := io.WriteString(c, ask(name, "/"+program+"?"+query, body)); err != nil {
					t.Fatal(err)
				}
				pid := begun(t, filepath.Join(dir, query))
				if err := end(c); err != nil {
					t.Error(err)
				}
				eventually(t, name+" "+program+": its process group ends", func() bool { return syscall.Kill(-pid, 0) == syscall.ESRCH })
				if name != "abort" {
					continue
				}
				fcgiAnswer(t, c) // the connection remains open
				if _, err := io.WriteString(c, ask(name, "/quick", "")); err != nil {
					t.Fatal(err)
				}
				if got := fcgiAnswer(t, c); !strings.HasSuffix(got, "all") {
					t.Errorf("after the abort: %q", got)
				}
			}
		}
	}
	eventually(t, "all are logged", func() bool { return strings.Count(s.log.String(), "the client of a program is gone") == number })
	if text := s.log.String(); strings.Contains(text, "ERROR") || strings.Contains(text, "panic") {
		t.Errorf("programs are blamed: %s", text)
	}
}

// ask returns a request in a protocol.
func ask(name, uri, body string) string {
	method := "GET"
	if body != "" {
		method = "POST"
	}
	vars := []string{"REQUEST_METHOD", method, "REQUEST_URI", uri, "SERVER_PROTOCOL", "HTTP/1.1", "HTTP_HOST", "x", "CONTENT_LENGTH", strconv.Itoa(len(body))}
	switch name {
	case "http-socket":
		return method + " " + uri + " HTTP/1.1\r\nHost: x\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
	case "uwsgi-socket":
		return string(packet(vars...)) + body
	}
	return string(fcgiAsk(1, body, vars...))
}

// TestHalfABody: a client that disconnects within its body has not sent a complete one.
func TestHalfABody(t *testing.T) {
	gone := false
	v := &vigil{in: bufio.NewReader(strings.NewReader("a bod")), gone: func() { gone = true }}
	if got, err := io.ReadAll(&uwsgiBody{v, 6}); !errors.Is(err, io.ErrUnexpectedEOF) || string(got) != "a bod" || !gone {
		t.Errorf("%q, %v, gone %v", got, err, gone)
	}
}

// TestAnswerCutShort: an incomplete answer of a program must not look complete, and the log
// gives the reason.
func TestAnswerCutShort(t *testing.T) {
	dir := endless(t)
	s := start(t, serving.Options{CGI: []serving.Map{{Mount: "/", Dir: dir}}, RequestTimeout: 2 * time.Second})
	for path, reason := range map[string]string{"/talking?t": "request-timeout", "/dying": "it was killed"} {
		a, err := http.Get("http://" + s.addr["http-socket"] + path)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(a.Body); string(body) != "part" || err == nil {
			t.Errorf("%s: %q, %v", path, body, err)
		}
		a.Body.Close()
		eventually(t, reason, func() bool { return strings.Contains(s.log.String(), reason) })
	}
	if a, body := s.get("/silent?s"); a.StatusCode != http.StatusGatewayTimeout || body != "gateway timeout\n" {
		t.Errorf("%d %q", a.StatusCode, body)
	}
	eventually(t, "both timeouts are logged", func() bool { return strings.Count(s.log.String(), "request-timeout") == 2 })
	if n := strings.Count(s.log.String(), "ERROR"); n != 1 { // of the program that was killed
		t.Errorf("%d errors: %s", n, s.log)
	}
}

// TestProgramAndHalfABody: no program accepts an incomplete body, and its client gets an error
// if it is still connected.
func TestProgramAndHalfABody(t *testing.T) {
	dir := tree(t, map[string]string{"take": "#!/bin/sh\ncat >/dev/null; echo >taken; printf '\\nok'\n"})
	s := start(t, serving.Options{CGI: []serving.Map{{Mount: "/", Dir: dir}}, LimitPost: 1000, SocketTimeout: time.Second}, "http-socket", "uwsgi-socket", "fastcgi-socket")
	const chunked = "POST /take HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n"
	for what, c := range map[string]struct{ text, want string }{
		"a chunk that is none":    {chunked + "x\r\n", "400 Bad Request"},
		"an extension of a chunk": {chunked + "1;" + strings.Repeat("x", 20_000) + "\r\n", "400 Bad Request"},
		"too much in chunks":      {chunked + "400\r\n" + strings.Repeat("x", 0x400) + "\r\n0\r\n\r\n", "413 Request Entity Too Large"},
		"nothing more":            {chunked, "408 Request Timeout"},
	} {
		if a := s.first(c.text); a.Status != c.want {
			t.Errorf("%s: %s, want %s", what, a.Status, c.want)
		}
	}
	for _, name := range []string{"http-socket", "uwsgi-socket", "fastcgi-socket"} {
		before := strings.Count(s.access.String(), "\n")
		c, err := net.Dial("tcp", s.addr[name])
		if err != nil {
			t.Fatal(err)
		}
		text := ask(name, "/take", "a body")
		if name == "fastcgi-socket" {
			text = strings.TrimSuffix(text, string(record(fcgiStdin, "")))
		}
		if _, err := io.WriteString(c, text[:len(text)-1]); err != nil {
			t.Fatal(err)
		}
		c.Close()
		eventually(t, name+": the request ends", func() bool { return strings.Count(s.access.String(), "\n") > before || name == "fastcgi-socket" })
	}
	s.end()
	if _, err := os.Stat(filepath.Join(dir, "taken")); err == nil {
		t.Errorf("half a body was taken for a whole one: %s", s.log)
	}
}

// first sends text and returns the answer, which must come within a third of the default
// socket-timeout.
func (s *running) first(text string) *http.Response {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr["http-socket"])
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(defaultSocketTimeout / 3))
	if _, err := io.WriteString(c, text); err != nil {
		s.t.Fatal(err)
	}
	a, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	a.Body.Close()
	return a
}

// TestExpectationThatIsRefused: a client that waits for 100-continue is answered at once.
func TestExpectationThatIsRefused(t *testing.T) {
	for what, o := range map[string]serving.Options{
		"no file":    {CheckStatic: []string{t.TempDir()}},
		"with limit": {CheckStatic: []string{t.TempDir()}, RequestTimeout: time.Minute, LimitPost: 1},
	} {
		s := start(t, o)
		if a := s.first("POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"); a.StatusCode < 400 || !a.Close {
			t.Errorf("%s: %s, close %v", what, a.Status, a.Close)
		}
		s.end()
	}
}

// TestFastCGIBodies must have the given length.
func TestFastCGIBodies(t *testing.T) {
	dir := tree(t, map[string]string{"take": "#!/bin/sh\nbody=$(cat); printf '\\n%s' \"$body\"\n"})
	s := start(t, serving.Options{CGI: []serving.Map{{Mount: "/", Dir: dir}}, Log: serving.Log{Format: "%(method) %(status)"}}, "fastcgi-socket")
	for _, c := range []struct{ length, body, want string }{
		{"6", "a body", "Status: 200 OK"},
		{"", "a body", "Status: 200 OK"},
		{"7", "a body", "Status: 400 Bad Request"},
		{"5", "a body", "Status: 400 Bad Request"},
		{"7", "", "Status: 400 Bad Request"},
		{"-6", "a body", "Status: 400 Bad Request"},
		{"six", "a body", "Status: 500 Internal Server Error"},
	} {
		vars := []string{"REQUEST_METHOD", "POST", "REQUEST_URI", "/take", "SERVER_PROTOCOL", "HTTP/1.1", "HTTP_HOST", "x", "CONTENT_LENGTH", c.length}
		got := fcgiAnswer(t, strings.NewReader(s.exchangeRaw("fastcgi-socket", fcgiAsk(0, c.body, vars...))))
		if !strings.Contains(got, c.want) || strings.HasPrefix(c.want, "Status: 200") != strings.HasSuffix(got, "a body") {
			t.Errorf("%+v: %q", c, got)
		}
	}
	eventually(t, "all are logged", func() bool { return strings.HasSuffix(s.access.String(), "POST 400\n- 400\n- 500\n") })
	if !strings.Contains(s.log.String(), "bad CONTENT_LENGTH in environment: six") {
		t.Errorf("log %s", s.log)
	}
}

// TestHeadersOfAConnection: programs do not control them, and they are invalid in HTTP/2.
func TestHeadersOfAConnection(t *testing.T) {
	dir := tree(t, map[string]string{
		"odd": "#!/bin/sh\nprintf 'X: y\\nConnection: keep-alive\\nKeep-Alive: 3\\nTransfer-Encoding: chunked\\nUpgrade: h2c\\nContent-Length: 2\\n\\nab'\n",
	})
	files := t.TempDir()
	certificate(t, files, "x")
	s := start(t, serving.Options{
		CGI:          []serving.Map{{Mount: "/", Dir: dir}},
		Certificates: []serving.Certificate{{Cert: filepath.Join(files, "crt"), Key: filepath.Join(files, "key")}},
	}, "http-socket", "https-socket")
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	for url, major := range map[string]int{"http://" + s.addr["http-socket"]: 1, "https://" + s.addr["https-socket"]: 2} {
		a, err := (&http.Client{Transport: transport}).Get(url + "/odd")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(a.Body)
		a.Body.Close()
		if err != nil || a.ProtoMajor != major || string(body) != "ab" || a.Header.Get("X") != "y" || a.ContentLength != 2 {
			t.Errorf("%s: %s %d %q %v %v", url, a.Proto, a.StatusCode, body, a.Header, err)
		}
		for _, name := range hopByHop {
			if a.Header.Get(name) != "" || len(a.TransferEncoding) > 0 {
				t.Errorf("%s: %s: %q, %v", url, name, a.Header.Get(name), a.TransferEncoding)
			}
		}
	}
}

// TestQueryOfAnotherServer: the query is passed on unchanged.
func TestQueryOfAnotherServer(t *testing.T) {
	s := start(t, serving.Options{HTTPTo: []string{backend(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RequestURI) })}})
	for _, uri := range []string{"/a?x=1;y=2", "/a?%zz&b", "/a?", "/a?x=%41&&x=+", "/a%2fb//c?q"} {
		a, err := http.ReadResponse(bufio.NewReader(strings.NewReader(s.raw("GET "+uri+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(a.Body); err != nil || string(got) != uri {
			t.Errorf("%s: %q, %v", uri, got, err)
		}
	}
}

// TestFastCGIAnswerCutShort: an incomplete answer is not ended as if it were complete.
func TestFastCGIAnswerCutShort(t *testing.T) {
	s := start(t, serving.Options{CGI: []serving.Map{{Mount: "/", Dir: endless(t)}}}, "fastcgi-socket")
	for path, whole := range map[string]bool{"/quick": true, "/dying": false} {
		got := s.exchangeRaw("fastcgi-socket", []byte(strings.Replace(ask("fastcgi-socket", path, ""), "\x00\x01\x01\x00", "\x00\x01\x00\x00", 1)))
		if ended := strings.Contains(got, "\x01\x03\x00\x01\x00\x08"); ended != whole {
			t.Errorf("%s: ended %v: %q", path, ended, got)
		}
	}
}

// A client that has sent more than its last request still gets the whole answer.
func TestAnswerBeforeUnreadBytes(t *testing.T) {
	const size = 200 << 10
	dir := tree(t, map[string]string{"large": strings.Repeat("x", size)})
	for name, o := range map[string]serving.Options{"direct": {}, "net/http": {RequestTimeout: time.Hour}} {
		t.Run(name, func(t *testing.T) {
			o.StaticMaps = []serving.Map{{Mount: "/", Dir: dir}}
			c := dialed(t, start(t, o))
			_, _ = io.WriteString(c, "GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"+strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1000))
			time.Sleep(100 * time.Millisecond) // the server has closed the connection meanwhile
			a, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer a.Body.Close()
			if n, err := io.Copy(io.Discard, a.Body); n != size || err != nil {
				t.Errorf("%d bytes, %v", n, err)
			}
		})
	}
}
