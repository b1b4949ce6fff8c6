//go:build linux

package integration

import (
	"os"
	"strings"
	"testing"
)

// streamConf passes connections on, with and without a header of the PROXY protocol; BASE is the
// world's directory.
const streamConf = `
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
user root;
daemon off;
master_process off;
pid BASE/nginx.pid;
error_log BASE/nginx.log notice;
events { worker_connections 128; }
stream {
  server { listen 127.0.0.1:7001; proxy_pass unix:BASE/s/http; proxy_protocol on; }
  server { listen 127.0.0.1:7002; proxy_pass unix:BASE/s/http; }
}
`

// TestProxyProtocolOfNginx: a command behind the built-in server, and the log of requests, have the
// address of the client of nginx, also after a reload in place.
func TestProxyProtocolOfNginx(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := os.Mkdir(w.path("cgi"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.write("cgi/who", "#!/bin/sh\nprintf 'Content-Type: a/b\\n\\nclient %s port %s' \"$REMOTE_ADDR\" \"$REMOTE_PORT\"\n")
	if err := os.Chmod(w.path("cgi/who"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.write("nginx.conf", strings.ReplaceAll(streamConf, "BASE", w.base))
	lines := []string{
		"uid = 4001", "gid = 4001", "http-socket = " + w.path("s/http"), "chmod-socket = 666", "enable-proxy-protocol = true", "cgi = /c=" + w.path("cgi"),
		"log-format = %(uri) by %(addr)",
	}
	w.vassal("a.ini", lines...)
	e := w.start(allNamespaces)
	e.running("a.ini")
	w.run("ip link set lo up; ip address add 203.0.113.7/32 dev lo")
	w.nginx()
	ask := func(port, path string) string {
		return w.run("curl -s --retry 20 --retry-connrefused --retry-delay 1 --interface 203.0.113.7 --local-port 5000-5999 http://127.0.0.1:" + port + path + "; echo \" $?\"")
	}
	for _, path := range []string{"/c/who?1", "/c/who?2"} {
		if got := ask("7001", path); !strings.HasPrefix(got, "client 203.0.113.7 port 5") || !strings.HasSuffix(got, " 0") {
			t.Errorf("with a header: %q", got)
		}
		e.await("a.ini", path+" by 203.0.113.7")
		w.vassal("a.ini", append(lines, "env = A="+path[len(path)-1:])...)
		e.await("a.ini", "reloaded")
	}
	if got := ask("7002", "/c/who?3"); strings.TrimSpace(got) != "52" { // an empty reply
		t.Errorf("without a header: %q", got)
	}
	e.await("a.ini", "no header of the PROXY protocol")
}
