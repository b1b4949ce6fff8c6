//go:build linux

package integration

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// byName is a shell command that prints through the names of its standard output and error,
// which then reads neither.
func byName(who string) string {
	return "echo " + who + " stderr >/dev/stderr; echo " + who + " stdout >>/dev/stdout; echo " + who + " fd >/proc/self/fd/2; " +
		"(: </dev/stdout) 2>/dev/null && echo " + who + " can read; true"
}

// printed waits until byName has printed, and fails if it could read the pipe.
func (e *emperor) printed(vassal, who string) {
	e.t.Helper()
	for _, name := range []string{"stderr", "stdout", "fd"} {
		e.await(vassal, `"msg":"`+who+" "+name)
	}
	if who != "hook" && e.count(vassal, `"msg":"`+who+" can read") > 0 { // the pipe of a hook belongs to the user who runs it
		e.t.Errorf("%s: the pipe of the log can be read", who)
	}
}

// Programs open their standard output and error by name, whatever users they have become: first,
// after a restart, an edit of the user and a fallback, as daemons with a user of their own and as
// hooks.
func TestOutputByName(t *testing.T) {
	t.Parallel()
	for name, clone := range map[string]string{"all": allNamespaces, "user namespace": "--emperor-use-clone=user=identity,pid,net,fs", "none": "--emperor-use-clone=uts"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			file := func(uid string, more ...string) []string {
				return append([]string{"uid = " + uid, "gid = " + uid, "command = sh -c '" + byName("command") + "; exec sleep 1000000'"}, more...)
			}
			w.vassal("a.ini", file("4001", "exec-as-user = "+byName("hook"), "attach-daemon = sh -c '"+byName("daemon")+"; exec sleep 1000000'")...)
			w.vassal("root.ini", "uid = root", serves, "attach-daemon2 = cmd=sh -c '"+byName("daemon")+"; exec sleep 1000000',uid=4001",
				"exec-as-root = setpriv --reuid 4002 --clear-groups sh -c '"+byName("hook")+"'")
			w.write("safe.ini", ini(file("4003")...))
			w.vassal("fallen.ini", "command = /no/such/program", "fallback-config = "+w.path("safe.ini"))
			e := w.start(clone)
			for _, who := range []string{"hook", "command", "daemon"} {
				e.printed("a.ini", who)
			}
			for _, who := range []string{"hook", "daemon"} {
				e.printed("root.ini", who)
			}
			e.printed("fallen.ini", "command")
			w.succeed("restart", "a.ini")
			e.printed("a.ini", "command")
			w.vassal("a.ini", file("4002", "log = "+w.path("a.log"))...)
			eventually(t, "the new user prints into the file", func() bool {
				text, _ := os.ReadFile(w.path("a.log"))
				return strings.Count(string(text), "command") == 3
			})
		})
	}
}

const nginxPrints = `
daemon off;
pid BASE/t/nginx.pid;
error_log /dev/stderr notice;
events { worker_connections 64; }
http {
  access_log /dev/stdout;
  client_body_temp_path BASE/t/1; proxy_temp_path BASE/t/2; fastcgi_temp_path BASE/t/3; uwsgi_temp_path BASE/t/4; scgi_temp_path BASE/t/5;
  server { listen unix:BASE/s/web; location / { return 200 "by name"; } }
}
`

// nginx logs where container images let it, as a user without privileges and with several
// processes, and serves on the socket that the vassal hands over.
func TestNginxPrintsByName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	socket := w.path("s/web")
	w.write("nginx.conf", strings.ReplaceAll(nginxPrints, "BASE", w.base))
	w.run("mkdir " + w.path("t") + " && chown 4001:4001 " + w.path("t"))
	w.vassal("web.ini", "uid = 4001", "gid = 4001", "http-socket = "+socket, "env = NGINX=3;", "stop-signal = QUIT",
		"command = nginx -e /dev/stderr -c "+w.path("nginx.conf"), "ready-probe = exec:curl -fs --unix-socket "+socket+" http://web/")
	e := w.start(allNamespaces)
	e.running("web.ini")
	e.await("web.ini", "start worker process")
	if got := get(t, socket, "GET", "/seen", nil); got.status != 200 || got.body != "by name" {
		t.Errorf("answered %+v", got)
	}
	e.await("web.ini", "GET /seen")
	w.succeed("restart", "web.ini")
	e.await("web.ini", "gracefully shutting down")
	e.running("web.ini")
	if got := get(t, socket, "GET", "/again", nil); got.status != 200 {
		t.Errorf("answered %+v", got)
	}
	e.await("web.ini", "GET /again")
}

// The standard streams of enter, and of a worker on a terminal, have names that work.
func TestStreamsOfVisitorsByName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "uid = 4001", "gid = 4001", "pty-socket = "+w.path("s/tty"), "pty-log = true",
		"command = sh -c 'echo through stderr >/dev/stderr; echo through stdout >/dev/stdout; exec sleep 1000000'")
	e := w.start(allNamespaces)
	e.running("a.ini")
	e.await("a.ini", "through stderr")
	e.await("a.ini", "through stdout")
	var out, complaint bytes.Buffer
	cmd := w.entered("a", "sh", "-c", "cat /dev/stdin >/dev/stdout; echo complaint >/dev/stderr")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("text"), &out, &complaint
	if err := cmd.Run(); err != nil || out.String() != "text" || complaint.String() != "complaint\n" {
		t.Errorf("pipes: %v: %q, %q", err, out.String(), complaint.String())
	}
	s := sit(t, w.entered("a", "sh", "-c", "echo termi''nal >/dev/stderr; echo sc''reen >/proc/self/fd/1"))
	s.expect("terminal")
	s.expect("screen")
}
