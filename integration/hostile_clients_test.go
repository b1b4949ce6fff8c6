//go:build linux

package integration

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestCrowd: two thousand silent clients, and some that never complete their headers, delay no
// other client. A low soft limit of descriptors, such as a login shell's, does not matter.
func TestCrowd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("mkdir " + w.path("www") + " && echo page >" + w.path("www/index.html"))
	socket := w.path("s/web")
	w.vassal("a.ini", "uid = 4001", "gid = 4001", "http-socket = "+socket, "chmod-socket = 666", "listen = 128", "static-map = /="+w.path("www"), "disable-logging = true")
	w.write("limited.sh", `ulimit -Sn 1024; exec "$@"`)
	e := w.launch(w.inside("sh", w.path("limited.sh"), program("emperor"), "--emperor-log-format", "json", allNamespaces, w.vassals))
	e.running("a.ini")
	var crowd []net.Conn
	defer func() {
		for _, c := range crowd {
			c.Close()
		}
	}()
	for i := range 2000 {
		var c net.Conn
		eventually(t, "the queue of the socket has a place", func() bool {
			var err error
			c, err = netDial("unix", socket)
			return err == nil
		})
		crowd = append(crowd, c)
		if i%10 == 0 {
			if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 100 {
		if got := get(t, socket, http.MethodGet, "/", nil); got.status != http.StatusOK || got.body != "page\n" {
			t.Fatalf("in the crowd: %d %q", got.status, got.body)
		}
	}
	slow := crowd[0] // headers must be complete in time
	eventually(t, "a client that drops byte after byte is given up", func() bool {
		_, err := io.WriteString(slow, "x")
		return errors.Is(err, syscall.EPIPE)
	})
	if got := get(t, socket, http.MethodGet, "/", nil); got.status != http.StatusOK {
		t.Errorf("afterwards: %d", got.status)
	}
	e.stop(syscall.SIGTERM)
}

// TestCertificateChanges: a new certificate takes effect without a reload, also for HTTP/2
// with curl.
func TestCertificateChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("mkdir " + w.path("www") + " && echo page >" + w.path("www/index.html"))
	keyPair(t, w)
	socket := w.path("s/web")
	w.vassal("a.ini", "uid = 4001", "gid = 4001", "chmod-socket = 666", "https-socket = "+socket+","+w.path("crt")+","+w.path("key"), "static-map = /="+w.path("www"))
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	processes := append(children(pid), pid)
	said := w.run("curl -sk --http2 --unix-socket " + socket + " -o /dev/null -w '%{http_version} %{http_code}' https://site/")
	if strings.TrimSpace(said) != "2 200" {
		t.Errorf("curl says %q", said)
	}
	shown := func() string {
		t.Helper()
		c, err := tls.Dial("unix", socket, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return string(c.ConnectionState().PeerCertificates[0].Signature)
	}
	before := shown()
	if err := os.WriteFile(w.path("crt"), []byte("half of it"), 0o644); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a pair that does not fit is noted", func() bool { shown(); return e.count("a.ini", "keeping the previous certificate") > 0 })
	if got := shown(); got != before {
		t.Errorf("a broken certificate is used: %x, not %x", got, before)
	}
	keyPair(t, w)
	eventually(t, "the new certificate is shown", func() bool { return shown() != before })
	if now := append(children(pid), pid); !slices.Equal(now, processes) {
		t.Errorf("the processes are %v, and were %v", now, processes)
	}
	e.stop(syscall.SIGTERM)
}
