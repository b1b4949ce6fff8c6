//go:build linux

package integration

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// listener is a program that answers at the socket in LISTEN_FDS, and ends after its requests.
const listener = `
import select, signal, socket, sys
s = socket.socket(fileno=3)
woken, waker = socket.socketpair()
waker.setblocking(False)
signal.set_wakeup_fd(waker.fileno())
signal.signal(signal.SIGTERM, lambda *_: None)
while woken not in select.select([s, woken], [], [])[0]:
    c, _ = s.accept()
    c.recv(4096)
    c.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + sys.argv[1].encode() + b"\n")
    c.close()
`

// Clients of a unix socket wait over restarts, and over an edit that needs a new process: no request fails, with and
// without a network of the vassal's own, in each form of a vassal. The path stays the same file, and goes with the
// vassal.
func TestRestartOfAPath(t *testing.T) {
	t.Parallel()
	for kind, lines := range map[string][]string{
		"the built-in server alone": {"route-run = send:VERSION"},
		"below a master":            {"route-run = send:VERSION", "exec-as-root = true"},
		"a command":                 {"command = python3 PROGRAM VERSION"},
		"a program in its place":    {"unprivileged-binary-patch-arg = python3 PROGRAM VERSION"},
	} {
		for _, clone := range []string{allNamespaces, sharesNetwork} {
			t.Run(kind+clone, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.write("listener.py", listener)
				path := w.path("s/web")
				file := func(version, umask string) []string {
					text := strings.NewReplacer("VERSION", version, "PROGRAM", w.path("listener.py")).Replace(strings.Join(lines, "\n"))
					return []string{"uid = 4001", "gid = 4001", "http-socket = " + path, "chmod-socket = 666", "umask = " + umask, "disable-logging = true", text}
				}
				w.vassal("web.ini", file("one", "022")...)
				e := w.start(clone)
				first := e.running("web.ini")
				alone := len(children(first))
				before, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				v := w.visited(path)
				v.settle()
				v.tally()
				for range 4 {
					w.succeed("restart", "--wait", "web")
					time.Sleep(100 * time.Millisecond) // under load
				}
				if out := w.succeed("status", "web"); !strings.Contains(out, "connections waited 0.") && !strings.Contains(out, "without service at") {
					t.Errorf("status does not say that connections waited:\n%s", out)
				}
				w.vassal("web.ini", file("two", "027")...) // a new process
				eventually(t, "the edit serves", func() bool { return strings.Contains(w.run("curl -s --unix-socket "+path+" http://web/"), "two") })
				v.served("clients of the path", "one", "two")
				after, err := os.Stat(path)
				if err != nil || !os.SameFile(before, after) || after.Mode().Perm() != 0o666 {
					t.Errorf("the path is another file: %v, %v", after, err)
				}
				if got := len(children(w.list()["web.ini"].PID)); got != alone {
					t.Errorf("%d processes below the first one, and %d before", got, alone)
				}
				v.leave()
				w.succeed("stop", "--wait", "web")
				if _, err := os.Stat(path); err == nil && kind != "a program in its place" {
					t.Error("the path is left")
				}
				e.stop(syscall.SIGTERM)
			})
		}
	}
}

// A network of a vassal ends with its process also when the socket at its path goes on.
func TestRestartedPathKeepsNoNetwork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("web.ini", "uid = 4001", "gid = 4001", "http-socket = "+w.path("s/web"), "route-run = send:one", "exec-as-root = true")
	e := w.start(allNamespaces, "--hook-as-emperor", "exec:ip link add v0 type veth peer name v1 netns $UWSGI_VASSAL_PID")
	e.running("web.ini")
	for range 3 {
		w.succeed("restart", "--wait", "web") // the hook fails when the link of the generation before is there
	}
	e.stop(syscall.SIGTERM)
}

// Another user does not take over a socket, and an edit that drops it removes its path.
func TestRestartOfAnotherUsersPath(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := w.path("s/web")
	w.run("chmod 1777 " + w.path("s")) // each user removes only the own files
	w.vassal("web.ini", "uid = 4001", "gid = 4001", "http-socket = "+path, "route-run = send:one", "exec-as-root = true")
	e := w.start(allNamespaces)
	e.running("web.ini")
	w.vassal("web.ini", "uid = 4001", "gid = 4001", "http-socket = "+w.path("s/other"), "route-run = send:two", "umask = 027", "exec-as-root = true")
	e.await("web.ini", "-> running")
	if _, err := os.Stat(path); err == nil {
		t.Error("the path that the file does not name any more is left")
	}
	w.run("chmod 777 " + w.path("s"))
	w.vassal("web.ini", "uid = 4002", "gid = 4002", "http-socket = "+w.path("s/other"), "route-run = send:three", "exec-as-root = true")
	e.running("web.ini")
	if got := strings.TrimSpace(w.run("stat -c %u " + w.path("s/other"))); got != "4002" {
		t.Errorf("the path belongs to %s", got)
	}
	e.stop(syscall.SIGTERM)
}
