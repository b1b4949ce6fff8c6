//go:build linux

package integration

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestFallbackOfTheNotes is the example of uWSGI's notes on 1.9.15: without privileges there
// is no port 80, but there is port 8080.
func TestFallbackOfTheNotes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("safe.ini", ini("uid = 1000", "gid = 1000", "socket = :8080", serves))
	w.vassal("a.ini", "uid = 1000", "gid = 1000", "socket = :80", "fallback-config = "+w.path("safe.ini"), serves)
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	e.await("a.ini", "starting again with the fallback configuration")
	e.await("a.ini", "permission denied")
	in(t, pid, "ss -ltn | grep -q ':8080 '")
	s := w.list()["a.ini"]
	if s.Address != ":8080" {
		t.Errorf("the list says that it listens on %q", s.Address)
	}
	if s.PID != pid || !strings.HasPrefix(s.Fallback, w.path("safe.ini")+": ") || !strings.Contains(s.Fallback, "permission denied") {
		t.Errorf("the list shows %+v, want pid %d and the fallback", s, pid)
	}
	if got := e.count("a.ini", "-> starting"); got != 1 {
		t.Errorf("launched %d times: falling back takes no new process", got)
	}
	if got := status(t, pid, "Uid"); got != "1000 1000 1000 1000" {
		t.Errorf("runs as %s", got)
	}

	// The same process tries new bytes from the emperor.
	e.vassal("a.ini", "uid = 1000", "gid = 1000", "socket = :8081", "fallback-config = "+w.path("safe.ini"), serves)
	e.await("a.ini", "back from the fallback configuration")
	e.running("a.ini")
	in(t, pid, "ss -ltn | grep -q ':8081 ' && ! ss -ltn | grep -q ':8080 '")
	eventually(t, "the list shows no fallback", func() bool { s := w.list()["a.ini"]; return s.PID == pid && s.Fallback == "" && s.Address == ":8081" })
}

// Every end of a vassal with exit code 1 activates its fallback. Its hooks of the end run, its
// files are gone and the emperor's hooks do not run twice.
func TestFallbackFrom(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]string{
		"an unknown option":   {"strict = true", "sokcet = :80", serves},
		"no such command":     {"command = /no/such/program"},
		"a hook that fails":   {"exec-as-root = exit 3", serves},
		"a hook that exits":   {"hook-as-user = exit:1", serves},
		"no such user":        {"uid = nobody-here", serves},
		"nothing to serve":    {"need-app = true"},
		"no such certificate": {"https-socket = :8443,/no/such.crt,/no/such.key", "static-map = /=/srv"},
		"text without sense":  {"uid = 1000", "gid = 1000", "[", "processes = many", "%(", serves},
		"a file that is gone": {"ini = /no/such.ini", serves},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.write("safe.ini", ini("socket = :8080", "exec-as-root = echo safe >> "+w.path("s/said"), serves))
			w.vassal("a.ini", append([]string{"vacuum = true", "pidfile = " + w.path("s/pid"), "fallback-config = " + w.path("safe.ini")}, options...)...)
			e := w.start(allNamespaces, "--exec-as-vassal", "echo emperor >> "+w.path("s/said"))
			pid := e.running("a.ini")
			if said := lines(w.path("s/said")); strings.Join(said, " ") != "emperor safe" {
				t.Errorf("the hooks said %q", said)
			}
			if _, err := os.Stat(w.path("s/pid")); !os.IsNotExist(err) {
				t.Errorf("the pid file of the first configuration is left: %v", err)
			}
			if s := w.list()["a.ini"]; s.PID != pid || s.Fallback == "" {
				t.Errorf("the list shows %+v", s)
			}
			if out := w.succeed("list"); !strings.Contains(out, "runs on its fallback "+w.path("safe.ini")) {
				t.Errorf("the list prints\n%s", out)
			}
		})
	}
}

// A missing fallback can be added while the rest of the file remains wrong.
func TestFallbackIsMended(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("safe.ini", ini(serves))
	w.vassal("a.ini", "strict = true", "sokcet = :80", "fallback-config = "+w.path("none.ini"), serves)
	e := w.start(allNamespaces, "--emperor-throttle", "60000")
	e.await("a.ini", "cannot use fallback-config")
	e.await("a.ini", "-> backoff")
	w.vassal("a.ini", "strict = true", "sokcet = :80", "fallback-config = "+w.path("safe.ini"), serves)
	e.running("a.ini")
	e.stop(syscall.SIGTERM)
}

// A fallback may have a fallback. A circle ends, and the vassal fails as others do.
func TestFallbackChain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("one.ini", ini("exec-as-root = exit 1", "fallback-config = "+w.path("two.ini"), serves))
	w.write("two.ini", ini("socket = :8080", serves))
	w.write("round.ini", ini("exec-as-root = exit 1", "fallback-config = "+w.path("again.ini"), serves))
	w.write("again.ini", ini("exec-as-root = exit 1", "fallback-config = "+w.path("round.ini"), serves))
	w.vassal("chain.ini", "exec-as-root = exit 1", "fallback-config = "+w.path("one.ini"), serves)
	w.vassal("circle.ini", "exec-as-root = exit 1", "fallback-config = "+w.path("round.ini"), serves)
	e := w.start(allNamespaces)
	e.running("chain.ini")
	if s := w.list()["chain.ini"]; !strings.HasPrefix(s.Fallback, w.path("two.ini")) {
		t.Errorf("the list shows %+v", s)
	}
	e.await("circle.ini", "was tried before")
	e.await("circle.ini", "-> backoff")
	for _, self := range []string{w.path("self.ini"), w.path("v/self.ini")} {
		w.write(self, ini("exec-asap = echo begins", "exec-as-root = exit 1", "fallback-config = "+self, serves))
	}
	e.await("self.ini", "was tried before")
	if n := e.count("self.ini", "begins"); n != 1 {
		t.Errorf("a file that falls back to itself was run %d times", n)
	}
	if out := w.run(program("vassal") + " " + w.path("self.ini") + " 2>&1 || true"); strings.Count(out, "begins") != 1 || !strings.Contains(out, "was tried before") {
		t.Errorf("by hand:\n%s", out)
	}
}

// After the drop of privileges a fallback that only root may read cannot be used.
func TestFallbackNeedsTheRightsThatAreLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("secret.ini", ini(serves))
	if err := os.Chmod(w.path("secret.ini"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.vassal("a.ini", "uid = 1000", "gid = 1000", "socket = :80", "fallback-config = "+w.path("secret.ini"), serves)
	e := w.start(allNamespaces)
	e.await("a.ini", "cannot use fallback-config")
	e.await("a.ini", "-> backoff")
}

// A fallback that needs a new process gets one.
func TestFallbackWithOtherRights(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("safe.ini", ini("uid = 1000", "gid = 1000", "socket = :8080", serves))
	options := []string{"uid = 4001", "gid = 1000", "fallback-config = " + w.path("safe.ini"), serves}
	w.vassal("a.ini", append([]string{"envdir = /no/such"}, options...)...)
	e := w.start(allNamespaces)
	first := e.running("a.ini")
	if got := status(t, first, "Uid"); got != "1000 1000 1000 1000" {
		t.Errorf("the fallback runs as %s", got)
	}
	e.vassal("a.ini", append([]string{"socket = :8081"}, options...)...)
	e.await("a.ini", "a new process is needed: uid is different in the fallback")
	second := e.running("a.ini")
	if first == second || status(t, second, "Uid") != "4001 4001 4001 4001" {
		t.Errorf("pid %d, then %d as %s", first, second, status(t, second, "Uid"))
	}
	if s := w.list()["a.ini"]; s.Fallback != "" {
		t.Errorf("the list shows %+v", s)
	}
}

// Started by hand, the process uses the fallback as well, and stops on request.
func TestFallbackByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("a.ini", ini("uid = no-such-user", "fallback-config = safe.ini", serves))
	w.write("safe.ini", ini("pidfile = "+w.path("s/pid"), "command = sleep 1000001"))
	out := w.run("cd " + w.base + "; " + program("vassal") + " a.ini & pid=$!; until pgrep -P $pid sleep >/dev/null; do sleep 0.05; done; " +
		"[ $(cat s/pid) = $pid ] || echo another process; kill -TERM $pid; wait $pid; echo exit $?")
	if !strings.Contains(out, "exit 0") || strings.Contains(out, "another process") {
		t.Error(out)
	}
}
