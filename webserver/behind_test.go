package webserver

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/config/serving"
)

// uwsgiApp answers by the uwsgi protocol with some of the variables and the body's size, and
// to /broken with nothing.
func uwsgiApp(t *testing.T) (address string) {
	t.Helper()
	return listening(t, "unix", func(c net.Conn) {
		vars, _, err := readVars(c, 1<<16)
		if err != nil || vars["PATH_INFO"] == "/broken" {
			return
		}
		size, _ := strconv.ParseInt(vars["CONTENT_LENGTH"], 10, 64)
		n, _ := io.CopyN(io.Discard, c, size)
		_, secure := vars["HTTPS"]
		fmt.Fprintf(c, "HTTP/1.1 201 Created\r\nX-App: yes\r\n\r\n%s %s|%s|%s|%d|%v|%s|%s|%s", vars["REQUEST_METHOD"], vars["PATH_INFO"], vars["QUERY_STRING"],
			vars["REMOTE_ADDR"], n, secure, vars["HTTP_X_FORWARDED_FOR"], vars["HTTP_PROXY"], vars["FROM_FRONTEND"])
	})
}

// before returns the options of a server that stands before other servers.
func before(t *testing.T, o serving.Options, behind ...serving.Behind) serving.Options {
	t.Helper()
	for _, b := range behind {
		if err := o.PutBehind(b); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func TestPassesOnByUwsgi(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("a file"), 0o644); err != nil {
		t.Fatal(err)
	}
	app := serving.Behind{Protocol: "uwsgi", Address: uwsgiApp(t)}
	s := start(t, before(t, serving.Options{StaticMaps: []serving.Map{{Mount: "/", Dir: dir}}}, app, app), "http", "uwsgi-socket")
	url := "http://" + s.addr["http"]
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/f", "", 200, "a file"},
		{"GET", "/a%20b//c?x=1;y", "", 201, "GET /a b//c|x=1;y|127.0.0.1|0|false|1.2.3.4||"},
		{"POST", "/f", strings.Repeat("x", 1<<20), 201, "POST /f||127.0.0.1|1048576|false|1.2.3.4||"},
		{"GET", "/broken", "", 502, "bad gateway\n"},
		{"GET", "/" + strings.Repeat("y", 40000), "", 431, "request header fields too large\n"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, url+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Forwarded-For", "1.2.3.4")
		r.Header.Set("Proxy", "evil")
		if a, body := s.do(r); a.StatusCode != c.status || body != c.want || c.status == 201 && a.Header.Get("X-App") != "yes" {
			t.Errorf("%s %.40s: %d %q", c.method, c.path, a.StatusCode, body)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/x", io.MultiReader(strings.NewReader("no length")))
	if err != nil {
		t.Fatal(err)
	}
	if a, _ := s.do(r); a.StatusCode != http.StatusLengthRequired {
		t.Errorf("a body without a length: %d", a.StatusCode)
	}
	got := s.exchangeRaw("uwsgi-socket", packet("REQUEST_METHOD", "GET", "REQUEST_URI", "/u", "PATH_INFO", "/u", "REMOTE_ADDR", "9.9.9.9", "FROM_FRONTEND", "word"))
	if !strings.HasPrefix(got, "HTTP/1.0 201 Created\r\n") || !strings.HasSuffix(got, "GET /u||9.9.9.9|0|false||"+"|word") {
		t.Errorf("by the uwsgi protocol: %q", got)
	}
}

// TestPassesOnByHTTP: for its own command the server is not an additional proxy.
func TestPassesOnByHTTP(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s|%s|%s|%s", r.Method, r.Host, r.URL, r.Header["X-Forwarded-For"], r.Header.Get("X-Forwarded-Proto"), body)
	}))
	t.Cleanup(app.Close)
	o := before(t, serving.Options{AddHeaders: []string{"X-Ours: yes"}}, serving.Behind{}, serving.Behind{Protocol: "http", Address: app.Listener.Addr().String()})
	s := start(t, o, "stats", "http-socket")
	for header, want := range map[string]string{"": "[127.0.0.1]|http|text", "https": "[7.7.7.7, 127.0.0.1]|https|text"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+s.addr["http-socket"]+"/p?q", io.MultiReader(strings.NewReader("text")))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "site"
		if header != "" {
			r.Header.Set("X-Forwarded-Proto", header)
			r.Header.Set("X-Forwarded-For", "7.7.7.7")
		}
		if a, body := s.do(r); a.StatusCode != http.StatusOK || body != "PUT site /p?q|"+want || a.Header.Get("X-Ours") != "yes" {
			t.Errorf("%d %q %v", a.StatusCode, body, a.Header)
		}
	}
}

// uwsgiSleeper answers by the uwsgi protocol after the time in the query.
func uwsgiSleeper(t *testing.T) (address string) {
	t.Helper()
	return listening(t, "tcp", func(c net.Conn) {
		vars, _, _ := readVars(c, 1<<16)
		d, _ := time.ParseDuration(vars["QUERY_STRING"])
		time.Sleep(d)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	})
}

// value is a text without a position.
func value(text string) option.Value { return option.Value{Text: text} }
