//go:build linux

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// proxiedRounds is how often each server is measured, in turn.
const proxiedRounds = 5

// BenchmarkProxied compares the built-in server with uWSGI where one server passes requests on to another:
// behind nginx by the uwsgi protocol and by FastCGI, and before an HTTP server. The measured servers have
// one processor, nginx and the clients have another. The answer is a file of 1 kB, and no server logs requests.
func BenchmarkProxied(b *testing.B) {
	for _, program := range []string{"nginx", "wrk", "taskset", "uwsgi"} {
		if _, err := exec.LookPath(program); err != nil {
			b.Skipf("there is no %s to measure with", program)
		}
	}
	for _, plugin := range []string{"http", "python3"} { // uWSGI serves files in the handler of a language
		if _, err := os.Stat("/usr/lib/uwsgi/plugins/" + plugin + "_plugin.so"); err != nil {
			b.Skipf("uWSGI has no plugin %s to measure with: %v", plugin, err)
		}
	}
	w := newWorld(b)
	w.run("mkdir -p " + w.path("www") + " && chmod 755 " + w.path("www"))
	w.write("www/1k.html", strings.Repeat("0123456789abcde\n", 64))
	w.write("nginx.conf", fmt.Sprintf(`
worker_processes 1; daemon off; master_process off; pid %[1]s/nginx.pid; error_log %[1]s/nginx.log; user root;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 1000000000;
server { listen 127.0.0.1:7511; location / { include /etc/nginx/uwsgi_params; uwsgi_pass 127.0.0.1:7521; } }
server { listen 127.0.0.1:7512; location / { include /etc/nginx/fastcgi_params; fastcgi_param PATH_INFO $document_uri; fastcgi_pass 127.0.0.1:7521; } }
}`, w.path("")))
	// nginx before the measured servers, and an HTTP server behind ours: it has their processor, as uWSGI's
	// worker has the one of its router.
	for _, beside := range []*exec.Cmd{
		w.inside("taskset", "-c", "1", "nginx", "-c", w.path("nginx.conf")),
		w.inside("taskset", "-c", "0", program("vassal-server"), "--http-socket", "127.0.0.1:7531", "--http-socket", w.path("behind"), "--static-map", "/="+w.path("www"), "--disable-logging"),
	} {
		beside.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := beside.Start(); err != nil {
			b.Fatal(err)
		}
		defer func() { _ = beside.Process.Kill(); _ = beside.Wait() }()
	}
	files := "/=" + w.path("www")
	for _, m := range []struct {
		name, at     string
		ours, theirs []string
	}{
		{
			"uwsgi behind nginx", "127.0.0.1:7511",
			[]string{"--uwsgi-socket", "127.0.0.1:7521", "--static-map", files},
			[]string{"--socket", "127.0.0.1:7521", "--static-map", files},
		},
		{
			"FastCGI behind nginx", "127.0.0.1:7512",
			[]string{"--fastcgi-socket", "127.0.0.1:7521", "--static-map", files},
			[]string{"--fastcgi-socket", "127.0.0.1:7521", "--static-map", files},
		},
		{ // uWSGI's router speaks its own protocol to the server behind it, which is uWSGI
			"before a command", "127.0.0.1:7521",
			[]string{"--http-socket", "127.0.0.1:7521", "--http-to", w.path("behind")},
			[]string{"--plugin", "http", "--http", "127.0.0.1:7521", "--http-keepalive", "--http-to", w.path("uwsgi"), "--socket", w.path("uwsgi"), "--static-map", files},
		},
		{ // the same by TCP
			"before HTTP", "127.0.0.1:7521",
			[]string{"--http-socket", "127.0.0.1:7521", "--http-to", "127.0.0.1:7531"},
			[]string{"--plugin", "http", "--http", "127.0.0.1:7521", "--http-keepalive", "--static-map", files},
		},
	} {
		b.Run(m.name, func(b *testing.B) {
			url := "http://" + m.at + "/1k.html"
			theirs := []string{"uwsgi", "--plugin", "python3", "--disable-logging", "--die-on-term", "--no-orphans", "--listen", "100"}
			w.measureBoth(b, proxiedRounds, pressedServer{"ours", append([]string{program("vassal-server"), "--disable-logging"}, m.ours...), url},
				pressedServer{"uWSGI", append(theirs, m.theirs...), url})
		})
	}
}
