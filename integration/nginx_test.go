//go:build linux

package integration

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nginxConf has a location for each protocol of the built-in server; BASE is the world's
// directory.
const nginxConf = `
user root;
daemon off;
master_process off;
pid BASE/nginx.pid;
error_log BASE/nginx.log notice;
events { worker_connections 128; }
http {
  access_log off;
  client_body_temp_path BASE/t1; proxy_temp_path BASE/t2; fastcgi_temp_path BASE/t3; uwsgi_temp_path BASE/t4; scgi_temp_path BASE/t5;
  client_max_body_size 0;
  upstream kept { server unix:BASE/s/fastcgi; keepalive 4; }
  upstream web { server unix:BASE/s/http; keepalive 4; }
  server {
    listen unix:BASE/s/nginx;
    location /http/ { proxy_pass http://web/; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host site; }
    location /https/ { proxy_pass https://unix:BASE/s/https:/; proxy_set_header Host site; }
    location /uwsgi/ { rewrite ^/uwsgi(/.*)$ $1 break; include /etc/nginx/uwsgi_params; uwsgi_param REQUEST_URI $uri$is_args$args; uwsgi_pass unix:BASE/s/uwsgi; }
    location /fastcgi/ { rewrite ^/fastcgi(/.*)$ $1 break; include /etc/nginx/fastcgi_params; fastcgi_param REQUEST_URI $uri$is_args$args; fastcgi_pass unix:BASE/s/fastcgi; }
    location /kept/ { rewrite ^/kept(/.*)$ $1 break; include /etc/nginx/fastcgi_params; fastcgi_param REQUEST_URI $uri$is_args$args; fastcgi_keep_conn on; fastcgi_pass kept; }
  }
}
`

// protocols are the locations of nginxConf.
var protocols = []string{"http", "https", "uwsgi", "fastcgi", "kept"}

// behindNginx starts a vassal that speaks every protocol, and nginx before it.
func behindNginx(t *testing.T) (w *world, socket string) {
	t.Helper()
	w = newWorld(t)
	for _, dir := range []string{"www", "cgi"} {
		if err := os.Mkdir(w.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.write("www/digits.txt", "0123456789")
	w.write("www/big", strings.Repeat("0123456789abcdef", 1<<17))
	// nginx sends no more of a body once the answer has begun, so it is read first.
	w.write("cgi/echo", "#!/bin/sh\nbody=$(cat)\nprintf 'Content-Type: a/b\\n\\n%s %s %s' \"$REQUEST_METHOD\" \"$QUERY_STRING\" \"$body\"\n")
	if err := os.Chmod(w.path("cgi/echo"), 0o755); err != nil {
		t.Fatal(err)
	}
	keyPair(t, w)
	w.write("nginx.conf", strings.ReplaceAll(nginxConf, "BASE", w.base))
	w.vassal(
		"a.ini", "uid = 4001", "gid = 4001", "http-socket = "+w.path("s/http"), "socket = "+w.path("s/uwsgi"), "fastcgi-socket = "+w.path("s/fastcgi"),
		"https-socket = "+w.path("s/https")+","+w.path("crt")+","+w.path("key"), "chmod-socket = 666",
		"static-map = /="+w.path("www"), "cgi = /cgi="+w.path("cgi"), "route = ^/secret basicauth:Members,user:word", "route-run = addheader:X-Route: ${PATH_INFO}",
	)
	e := w.start(allNamespaces)
	e.running("a.ini")
	t.Cleanup(func() { // behind its end
		_ = os.Remove(w.path("s/nginx"))
		log, _ := os.ReadFile(w.path("nginx.log"))
		for line := range strings.Lines(string(log)) {
			if strings.Contains(line, "[error]") || strings.Contains(line, "[crit]") || strings.Contains(line, "[alert]") {
				t.Errorf("nginx complains: %s", line)
			}
		}
	})
	w.nginx()
	socket = w.path("s/nginx")
	listens(t, socket)
	return w, socket
}

// nginx runs nginx in this world until the end of the test. It does not become a daemon by its configuration,
// nginx.conf.
func (w *world) nginx() {
	w.t.Helper()
	nginx := w.inside("nginx", "-c", w.path("nginx.conf"))
	nginx.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := nginx.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = nginx.Process.Signal(syscall.SIGTERM); _ = nginx.Wait() })
}

// keyPair writes a certificate that the vassal's user can read.
func keyPair(t *testing.T, w *world) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"site"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	w.write("crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	w.write("key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
}

func TestBehindNginx(t *testing.T) {
	t.Parallel()
	_, socket := behindNginx(t)
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			at := "/" + protocol
			first := get(t, socket, "GET", at+"/digits.txt", nil)
			if first.status != 200 || first.body != "0123456789" || first.header.Get("Content-Type") != "text/plain; charset=utf-8" {
				t.Errorf("a file: %+v", first)
			}
			if got := first.header.Get("X-Route"); got != "/digits.txt" {
				t.Errorf("the rule saw %q", got)
			}
			modified := http.Header{"If-Modified-Since": {first.header.Get("Last-Modified")}}
			if got := get(t, socket, "GET", at+"/digits.txt", modified); got.status != 304 {
				t.Errorf("not changed: %d", got.status)
			}
			if got := get(t, socket, "GET", at+"/digits.txt", http.Header{"Range": {"bytes=2-4"}}); got.status != 206 || got.body != "234" {
				t.Errorf("a range: %d %q", got.status, got.body)
			}
			if got := get(t, socket, "HEAD", at+"/digits.txt", nil); got.status != 200 || got.header.Get("Content-Length") != "10" {
				t.Errorf("HEAD: %+v", got)
			}
			if got := get(t, socket, "GET", at+"/missing", nil); got.status != 404 {
				t.Errorf("missing: %d", got.status)
			}
			if got := get(t, socket, "GET", at+"/secret", nil); got.status != 401 || got.header.Get("WWW-Authenticate") == "" {
				t.Errorf("secret: %+v", got)
			}
			if got := get(t, socket, "GET", at+"/big", nil); len(got.body) != 2<<20 {
				t.Errorf("big: %d bytes", len(got.body))
			}
			body := strings.Repeat("x", 300_000)
			answer, err := client(socket).Post("http://site"+at+"/cgi/echo?a=b", "c/d", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if got, err := io.ReadAll(answer.Body); err != nil || string(got) != "POST a=b "+body {
				t.Errorf("echo: %d bytes, %.60q, %v", len(got), got, err)
			}
			for range 100 {
				if got := get(t, socket, "GET", at+"/digits.txt", nil); got.status != 200 || got.body != "0123456789" {
					t.Fatalf("again: %+v", got)
				}
			}
		})
	}
}
