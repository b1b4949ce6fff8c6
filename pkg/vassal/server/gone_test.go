package server

import (
	"bufio"
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

// endless are programs that write their pid into the file that the query names, and
// then take their time.
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

// TestClientThatIsGone: nobody waits for the answer any more, so its program ends,
// over every protocol.
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
				fcgiAnswer(t, c) // the connection goes on
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

// ask is a request over a protocol.
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
	return string(fcgiRequest(1, body, vars...))
}

// TestHalfABody: a client that leaves within its body has sent no whole one.
func TestHalfABody(t *testing.T) {
	gone := false
	v := &vigil{in: bufio.NewReader(strings.NewReader("a bod")), gone: func() { gone = true }}
	if got, err := io.ReadAll(&uwsgiBody{v, 6}); !errors.Is(err, io.ErrUnexpectedEOF) || string(got) != "a bod" || !gone {
		t.Errorf("%q, %v, gone %v", got, err, gone)
	}
}

// TestAnswerCutShort: what a program did not finish must not look complete, and the
// log tells the reason.
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
	if n := strings.Count(s.log.String(), "ERROR"); n != 1 { // that of the one that was killed
		t.Errorf("%d errors: %s", n, s.log)
	}
}
