//go:build linux

package integration

import (
	"slices"
	"strings"
	"syscall"
	"testing"
)

// lateServer is a program that serves on a port of its own network when a file exists, and
// prints before that it waits for the file.
const lateServer = `import http.server, os, socket, sys, time
print("waits", flush=True)
while not os.path.exists(sys.argv[1]): time.sleep(0.01)
if sys.argv[2:]: # else only a probe can tell
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.sendto(b"READY=1\nSTATUS=at last", os.environ["NOTIFY_SOCKET"])
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", 8080), Page).serve_forever()
`

// late makes a vassal that executes that program, as a user without rights.
func (w *world) late(name string, options ...string) (open string) {
	w.t.Helper()
	open = w.path(name + ".open")
	w.write(w.path("late.py"), lateServer)
	notify := ""
	if slices.Contains(options, "notify-ready = true") {
		notify = " notify"
	}
	w.vassal(name, append([]string{
		"hook-as-root = ifup:lo", "uid = 4001", "gid = 4001", "env = PROBED=" + open,
		"unprivileged-binary-patch-arg = python3 " + w.path("late.py") + " " + open + notify,
	}, options...)...)
	return open
}

// asItself is a probe that only succeeds with the rights and in the namespaces of the program.
const asItself = `exec:sh -c 'id -u | grep -qx 4001 && id -G | grep -qx "4001 4100" && grep -q "^CapEff:.0*$" /proc/self/status && test "$PWD" = /usr && test -z "$NOTIFY_SOCKET" && test -e "$PROBED"'`

// A program that replaces the vassal is ready when a probe succeeds, which runs in the
// program's namespaces and with no more rights.
func TestProbeOfAnotherProgram(t *testing.T) {
	t.Parallel()
	for name, probe := range map[string]string{
		"tcp": "tcp:127.0.0.1:8080", "http": "http://127.0.0.1:8080/health", "exec": asItself,
	} {
		for _, where := range []string{allNamespaces, "--emperor-use-clone=user=identity,net,fs", "--emperor-use-clone=uts"} {
			t.Run(name+where, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				open := w.late("a.ini", "chdir = /usr", "ready-probe = "+probe)
				e := w.start(where)
				e.await("a.ini", "waits")
				if n := e.count("a.ini", "-> running"); n != 0 {
					t.Error("it runs before it is ready")
				}
				w.write(open, "")
				e.running("a.ini")
				e.stop(syscall.SIGTERM)
			})
		}
	}
}

// Processes that a probe leaves behind end with the vassal.
func TestProbeThatLeavesSomethingBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flag := w.path("s/left")
	w.late("a.ini", "ready-probe = exec:sh -c 'setsid sh -c \"echo \\$\\$ >"+flag+"; exec sleep 1000\" & while ! test -s "+flag+"; do sleep 0.01; done'")
	e := w.start("--emperor-use-clone=uts")
	e.running("a.ini")
	w.remove("a.ini")
	e.gone("a.ini")
	if pid := number(flag); pid == 0 || alive(pid) {
		t.Errorf("process %d is left", pid)
	}
	e.stop(syscall.SIGTERM)
}

// A program that is not ready in time has failed.
func TestProbeInVain(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]string{
		"no process listens": "ready-probe = tcp:127.0.0.1:8080", "it fails": "ready-probe = exec:sh -c 'echo not yet; exit 3'",
		"it hangs": "ready-probe = exec:sleep 1000", "it says nothing": "notify-ready = true",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.late("a.ini", option, "ready-timeout = 2s")
			e := w.start(allNamespaces, "--emperor-throttle", "60000")
			line := e.await("a.ini", "not ready before the timeout")
			if name == "it fails" && !strings.Contains(line.raw, "not yet") {
				t.Errorf("the log does not say why: %s", line.raw)
			}
			e.await("a.ini", "-> backoff")
			if n := e.count("a.ini", "-> running"); n != 0 {
				t.Error("it ran")
			}
			e.stop(syscall.SIGTERM)
		})
	}
}

// A program that replaces the vassal reports its readiness and its status itself.
func TestNotificationsOfAnotherProgram(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	open := w.late("a.ini", "notify-ready = true")
	e := w.start(allNamespaces)
	e.await("a.ini", "waits")
	if n := e.count("a.ini", "-> running"); n != 0 {
		t.Error("it runs before it is ready")
	}
	w.write(open, "")
	e.running("a.ini")
	if s := w.status("a.ini"); s.Status != "at last" {
		t.Errorf("its status is %q", s.Status)
	}
	e.stop(syscall.SIGTERM)
}
