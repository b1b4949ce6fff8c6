//go:build linux

package integration

import (
	"testing"
	"time"
)

// Connections that wait at a vassal's port are served after a restart, and after an edit that takes
// a new process, in the network of the emperor. No other user and no stopped vassal keeps the port.
func TestQueuesOutliveProcesses(t *testing.T) {
	t.Parallel()
	for server, lines := range map[string][]string{
		"built-in": {"route-run = send:one", "disable-logging = true"},
		"nginx":    {"env = NGINX=3;", "stop-signal = QUIT", "command = nginx -e /dev/stderr -c %dnginx.conf"},
	} {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.run("mkdir " + w.path("t") + " && chmod 777 " + w.path("t"))
			w.write("v/nginx.conf", "daemon off; pid "+w.path("t")+"/pid; events {} http { access_log off; client_body_temp_path "+w.path("t")+"; proxy_temp_path "+w.path("t")+
				"; fastcgi_temp_path "+w.path("t")+"; uwsgi_temp_path "+w.path("t")+"; scgi_temp_path "+w.path("t")+"; server { listen 127.0.0.1:8080; location / { return 200 one; } } }")
			file := func(more ...string) []string {
				return append(append([]string{"gid = 4001", "http-socket = 127.0.0.1:8080"}, lines...), more...)
			}
			w.vassal("a.ini", file("uid = 4001")...)
			e := w.start(sharesNetwork)
			first := e.running("a.ini")
			v := w.visited("127.0.0.1:8080")
			v.settle()
			v.tally()
			for range 6 {
				w.succeed("restart", "a.ini")
				if pid := e.running("a.ini"); pid == first {
					t.Fatal("the process is the same")
				}
				time.Sleep(50 * time.Millisecond)
			}
			w.vassal("a.ini", file("uid = 4001", "add-gid = 4002")...) // a new process
			e.running("a.ini")
			v.served("restarts", "one")

			w.vassal("a.ini", file("uid = 4003")...)
			e.running("a.ini")
			if n := v.tally().Lost; n == 0 {
				t.Error("another user has the socket")
			}
			eventually(t, "the other user serves", func() bool { s := v.tally(); return s.Lost == 0 && s.Served > 10 })
			w.vassal("a.ini", append(file("uid = 4003"), "http-socket = 127.0.0.2:8080")...)
			e.await("a.ini", "reloaded")
			w.succeed("restart", "a.ini")
			e.running("a.ini")
			v.served("another address", "one")
			w.succeed("stop", "--wait", "a.ini")
			w.run("! ss -ltn | grep -q :8080")
		})
	}
}
