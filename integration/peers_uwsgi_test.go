//go:build linux

package integration

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	supervisor "github.com/emperor-go/emperor/pkg/emperor"
)

// uwsgi is its path in distributions.
const uwsgi = "/usr/bin/uwsgi"

// needsUwsgi skips a story that this machine cannot run.
func needsUwsgi(t testing.TB) {
	t.Helper()
	if _, err := os.Stat(uwsgi); err != nil {
		t.Fatalf("these stories need uwsgi and its python3 plugin: %v", err)
	}
}

// peerApp answers with the value of PEER. The path /sos makes it request reinforcement, /leave
// its own end, as uWSGI's master does: after the answer, since the end may come at once.
const peerApp = `import os
class Answer:
    def __init__(self, path):
        self.byte = {"/sos": b"\x1e", "/leave": b"\x16"}.get(path)
    def __iter__(self):
        yield os.environ.get("PEER", "").encode()
    def close(self):
        if self.byte:
            os.write(int(os.environ["UWSGI_EMPEROR_FD"]), self.byte)
def application(env, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Answer(env["PATH_INFO"])
`

// peer makes a vassal of uWSGI's, with options.
func (w *world) peer(name string, options ...string) {
	w.t.Helper()
	w.write("app.py", peerApp)
	w.vassal(name, append([]string{
		"plugin = python3", "master = true", "processes = 1", "wsgi-file = " + w.path("app.py"), "need-app = true",
	}, options...)...)
}

// visit returns the body of the answer to a request.
func visit(t *testing.T, socket, path string) string {
	t.Helper()
	return get(t, socket, http.MethodGet, path, nil).body
}

// status returns the emperor's record of a vassal.
func (w *world) status(name string) (s supervisor.Record) {
	w.t.Helper()
	if err := json.Unmarshal([]byte(w.succeed("status", name, "--json")), &s); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// everywhere runs a story without namespaces and with all of them.
func everywhere(t *testing.T, tell func(t *testing.T, clone []string)) {
	t.Parallel()
	for name, clone := range map[string][]string{"plain": nil, "namespaces": {allNamespaces}} {
		t.Run(name, func(t *testing.T) { t.Parallel(); tell(t, clone) })
	}
}

// TestUwsgiAsVassal runs a real uWSGI under the emperor: spawned, accepting, loyal, with
// heartbeats, reloaded by a touch and by other bytes, stopped.
func TestUwsgiAsVassal(t *testing.T) {
	needsUwsgi(t)
	everywhere(t, func(t *testing.T, clone []string) {
		w := newWorld(t)
		socket := w.path("s/app")
		w.peer("app.ini", "http-socket = "+socket, "heartbeat = 1", "env = PEER=first")
		e := w.start(append(clone, "--emperor-wrapper", uwsgi, "--emperor-required-heartbeat", "10")...)
		pid := e.running("app.ini")
		if got := w.status("app.ini").Loyal; !got.IsZero() {
			t.Errorf("it is loyal before the first request: %v", got)
		}
		if got := visit(t, socket, "/"); got != "first" {
			t.Errorf("answer: %q", got)
		}
		eventually(t, "loyal and its heart beats", func() bool {
			s := w.status("app.ini")
			return !s.Loyal.IsZero() && !s.Heartbeat.IsZero()
		})

		w.peer("app.ini", "http-socket = "+socket, "heartbeat = 1", "env = PEER=second")
		e.await("app.ini", "reloaded")
		eventually(t, "the new bytes are in effect", func() bool { return visit(t, socket, "/") == "second" })
		if now := w.status("app.ini").PID; now != pid {
			t.Errorf("a reload made another process: %d, was %d", now, pid)
		}
		now := time.Now()
		if err := os.Chtimes(filepath.Join(w.vassals, "app.ini"), now, now); err != nil {
			t.Fatal(err)
		}
		e.await("app.ini", "reloaded")
		w.remove("app.ini")
		e.gone("app.ini")
		if alive(pid) {
			t.Error("it lives on")
		}
	})
}

// TestUwsgiLeaves lets a uWSGI stop by itself, which is no failure: it does not restart until
// its file changes.
func TestUwsgiLeaves(t *testing.T) {
	needsUwsgi(t)
	everywhere(t, func(t *testing.T, clone []string) {
		w := newWorld(t)
		socket := w.path("s/app")
		w.peer("app.ini", "http-socket = "+socket)
		e := w.start(append(clone, "--emperor-wrapper", uwsgi)...)
		pid := e.running("app.ini")
		visit(t, socket, "/leave")
		e.await("app.ini", "wants to stop")
		e.await("app.ini", "-> idle")
		if alive(pid) {
			t.Error("it lives on")
		}
		w.peer("app.ini", "http-socket = "+socket, "env = PEER=again")
		e.running("app.ini")
		if got := visit(t, socket, "/"); got != "again" {
			t.Errorf("answer: %q", got)
		}
	})
}

// TestUwsgiFallsSilent replaces a uWSGI whose heartbeat has stopped, and leaves alone one that
// never sent any.
func TestUwsgiFallsSilent(t *testing.T) {
	needsUwsgi(t)
	everywhere(t, func(t *testing.T, clone []string) {
		w := newWorld(t)
		w.peer("app.ini", "http-socket = "+w.path("s/app"), "heartbeat = 1")
		w.peer("quiet.ini", "http-socket = "+w.path("s/quiet"))
		e := w.start(append(clone, "--emperor-wrapper", uwsgi, "--emperor-required-heartbeat", "5", "--reload-mercy", "1")...)
		pid, quiet := e.running("app.ini"), e.running("quiet.ini")
		eventually(t, "its heart beats", func() bool { return !w.status("app.ini").Heartbeat.IsZero() })
		for _, p := range append(children(pid), pid) { // its workers send heartbeats
			if err := syscall.Kill(p, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
		}
		e.await("app.ini", "no heartbeat: it is restarted")
		e.await("app.ini", "-> killing") // asked first, but it does not answer
		if next := e.running("app.ini"); next == pid {
			t.Error("it is the same process")
		}
		if got := visit(t, w.path("s/app"), "/"); got != "" {
			t.Errorf("answer: %q", got)
		}
		e.undisturbed("quiet.ini", quiet) // it sends no heartbeats
	})
}

// TestUwsgiOnDemand starts a uWSGI by a connection, repeatedly: it dies when it is idle, and
// the socket stays.
func TestUwsgiOnDemand(t *testing.T) {
	needsUwsgi(t)
	everywhere(t, func(t *testing.T, clone []string) {
		w := newWorld(t)
		socket := w.path("s/app.socket")
		w.peer("app.ini", "protocol = http", "socket = fd://0", "idle = 1", "die-on-idle = true", "env = PEER=here")
		e := w.start(append(clone, "--emperor-wrapper", uwsgi, "--emperor-on-demand-directory", w.path("s"))...)
		e.await("app.ini", "on demand") // its socket is bound
		for range 3 {
			e.await("app.ini", "-> waiting")
			if got := visit(t, socket, "/"); got != "here" {
				t.Errorf("answer: %q", got)
			}
			e.running("app.ini")
			e.await("app.ini", "wants to stop")
		}
		e.await("app.ini", "-> waiting")
		if n := e.count("app.ini", "backing-off"); n > 0 {
			t.Errorf("it was throttled:\n%s", e.about("app.ini"))
		}
	})
}

// TestUwsgiBroodlord reinforces a uWSGI that requests help, as often as the operator permits,
// and stops the zergs together with it.
func TestUwsgiBroodlord(t *testing.T) {
	needsUwsgi(t)
	everywhere(t, func(t *testing.T, clone []string) {
		w := newWorld(t)
		socket, zergs := w.path("s/app"), w.path("s/zergs")
		w.write("app.py", peerApp)
		app := []string{"plugin = python3", "master = true", "processes = 1", "wsgi-file = " + w.path("app.py")}
		text := "[uwsgi]\nhttp-socket = " + socket + "\nzerg-server = " + zergs + "\n" + strings.Join(app, "\n") +
			"\n[zerg]\nprotocol = http\nzerg = " + zergs + "\n" + strings.Join(app, "\n") + "\nenv = PEER=zerg\n"
		w.write(filepath.Join(w.vassals, "app.ini"), text)
		e := w.start(append(clone, "--emperor-wrapper", uwsgi, "--emperor-broodlord", "2")...)
		pid := e.running("app.ini")
		var pids []int
		for _, name := range []string{"app.ini:zerg", "app.ini:zerg2"} {
			eventually(t, name, func() bool { // a zerg that is asked cannot request help itself
				visit(t, socket, "/sos")
				_, there := w.list()[name]
				return there
			})
			pids = append(pids, e.running(name))
		}
		// While the worker of the first one is stopped, a zerg answers in its place.
		worker := children(pid)[0]
		defer func() { _ = syscall.Kill(worker, syscall.SIGCONT) }()
		if err := syscall.Kill(worker, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		if got := visit(t, socket, "/sos"); got != "zerg" {
			t.Errorf("answer: %q", got)
		}
		if err := syscall.Kill(worker, syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the first one cries again", func() bool { return visit(t, socket, "/sos") == "" })
		w.succeed("reload", "app.ini", "--wait") // is answered after its earlier requests for help
		if n := len(w.list()); n != 3 {
			t.Errorf("there are %d vassals: one and two zergs are permitted", n)
		}
		w.remove("app.ini")
		e.gone("app.ini")
		e.gone("app.ini:zerg")
		e.gone("app.ini:zerg2")
		for _, pid := range pids {
			if alive(pid) {
				t.Errorf("zerg %d lives on", pid)
			}
		}
	})
}
