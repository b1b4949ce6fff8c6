//go:build linux

package integration

import (
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestBehindRouterOfUwsgi: uWSGI's own HTTP router passes requests to the built-in server as
// it does to uWSGI, and CGI programs answer behind it. The program reads the whole body first: while the router
// waits to send a part of the body, it reads no answer, so a program that answers as it reads can block it. An
// application of uWSGI is cut off then, after socket-timeout.
func TestBehindRouterOfUwsgi(t *testing.T) {
	t.Parallel()
	needsUwsgi(t)
	w := newWorld(t)
	for _, dir := range []string{"www", "cgi"} {
		if err := os.Mkdir(w.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.write("www/a.txt", "a page")
	w.write("cgi/echo", "#!/bin/sh\necho a word of the program >&2\nbody=$(cat)\nprintf 'Content-Type: a/b\\n\\n%s ' \"$REQUEST_METHOD$PATH_INFO$HTTP_PROXY\"; printf %s \"$body\"\n")
	if err := os.Chmod(w.path("cgi/echo"), 0o755); err != nil {
		t.Fatal(err)
	}
	behind, front := w.path("s/uwsgi"), w.path("s/front")
	w.vassal("a.ini", "uid = 4001", "gid = 4001", "socket = "+behind, "chmod-socket = 666", "static-map = /="+w.path("www"), "cgi = /c="+w.path("cgi"),
		"log-format = %(method) %(uri) %(status) by %(var.UWSGI_ROUTER)")
	e := w.start(allNamespaces)
	e.running("a.ini")
	router := w.inside(uwsgi, "--master", "--die-on-term", "--plugins", "corerouter,http", "--http", front, "--http-to", behind)
	if err := router.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = router.Process.Signal(syscall.SIGTERM)
		_ = router.Wait()
		_ = os.Remove(front)
	})
	listens(t, front)
	if got := get(t, front, http.MethodGet, "/a.txt", nil); got.status != http.StatusOK || got.body != "a page" {
		t.Errorf("a file: %+v", got)
	}
	if got := get(t, front, http.MethodHead, "/a.txt", nil); got.status != http.StatusOK || got.header.Get("Content-Length") != "6" {
		t.Errorf("HEAD: %+v", got)
	}
	body := strings.Repeat("x", 1<<20)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://site/c/echo/more", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Proxy", "evil")
	answer, err := client(front).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if got, err := io.ReadAll(answer.Body); err != nil || string(got) != "POST/more "+body {
		t.Errorf("echo: %d bytes, %.60q, %v", len(got), got, err)
	}
	e.await("a.ini", "GET /a.txt 200 by http")
	e.await("a.ini", "a word of the program")
}
