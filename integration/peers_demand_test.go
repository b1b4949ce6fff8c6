//go:build linux

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// onDemandVassal is what every vassal of these stories says.
func onDemandVassal(w *world, more ...string) []string {
	return append([]string{"protocol = http", "static-map = /=" + w.path("www")}, more...)
}

// TestOnDemand finds addresses in uWSGI's three ways. The first connection starts
// the vassal and is served; a crash and an idle end leave the socket where it is.
func TestOnDemand(t *testing.T) {
	for name, clone := range map[string][]string{"plain": nil, "namespaces": {allNamespaces}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if err := os.Mkdir(w.path("www"), 0o755); err != nil {
				t.Fatal(err)
			}
			w.write("www/index.html", "served")
			w.script(w.path("address"), "test \"$1\" = exec.ini && echo "+w.path("s/exec")+" || true")
			curl := map[string]string{
				"four.ini": "http://127.0.0.1:8090/",
				"six.ini":  "http://[::1]:8091/",
				"file.ini": "--unix-socket " + w.path("s/file") + " http://vassal/",
				"exec.ini": "--unix-socket " + w.path("s/exec") + " http://vassal/",
			}
			for vassal, address := range map[string]string{"four": "127.0.0.1:8090", "six": "[::1]:8091", "file": w.path("s/file")} {
				w.write(filepath.Join(w.vassals, vassal+".ini.at"), address+"\n")
			}
			for vassal := range curl {
				w.vassal(vassal, onDemandVassal(w, "idle = 1", "die-on-idle = true")...)
			}
			e := w.start(append(clone, "--emperor-on-demand-extension", ".at", "--emperor-on-demand-exec", w.path("address"),
				"--emperor-on-demand-mode", "660")...)
			var group sync.WaitGroup
			for vassal, url := range curl {
				group.Go(func() {
					e.await(vassal, "on demand") // its socket is bound
					for range 2 {
						e.await(vassal, "-> waiting")
						if got := w.run("curl -sg " + url); got != "served" {
							t.Errorf("%s: %q", vassal, got)
						}
						e.running(vassal)
						e.await(vassal, "wants to stop") // idle
					}
				})
			}
			group.Wait()
			if t.Failed() {
				return
			}
			if info, err := os.Stat(w.path("s/file")); err != nil || info.Mode().Perm() != 0o660 {
				t.Errorf("the mode of the socket is %v, %v", info.Mode(), err)
			}
			e.await("file.ini", "-> waiting")
			w.run("curl -sg " + curl["file.ini"])
			pid := e.running("file.ini")
			before, err := os.Stat(w.path("s/file"))
			if err != nil {
				t.Fatal(err)
			}
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			e.await("file.ini", "-> backoff") // nothing of it is left that could take a connection and die
			// Nobody listens for a while, and yet nobody is turned away.
			if got := w.run("curl -sg " + curl["file.ini"]); got != "served" {
				t.Errorf("after the crash: %q", got)
			}
			if after, err := os.Stat(w.path("s/file")); err != nil || !os.SameFile(before, after) {
				t.Errorf("the crash cost the socket: %v", err)
			}
			for vassal := range curl {
				w.remove(vassal)
				e.gone(vassal)
			}
			for _, socket := range []string{"s/file", "s/exec"} {
				if _, err := os.Lstat(w.path(socket)); err == nil {
					t.Errorf("%s outlives its vassal", socket)
				}
			}
		})
	}
}

// TestOnDemandHooksAndRefusal tells hooks of the wait and of what changes in it,
// and refuses a configuration that binds the socket itself.
func TestOnDemandHooksAndRefusal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := os.Mkdir(w.path("www"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.write("www/index.html", "served")
	said := func() string { return strings.Join(lines(w.path("said")), ",") }
	w.vassal("a.ini", onDemandVassal(w)...)
	e := w.start("--emperor-on-demand-directory", w.path("s"),
		"--exec-as-on-demand-vassal", "echo waits $UWSGI_VASSAL_NAME >>"+w.path("said"),
		"--exec-as-on-config-vassal", "echo changed $UWSGI_VASSAL_NAME >>"+w.path("said"))
	eventually(t, "the hook of the wait", func() bool { return said() == "waits a.ini" })
	w.vassal("a.ini", onDemandVassal(w, "http-socket = "+w.path("s/a.socket"))...)
	e.await("a.ini", "its configuration binds the same address")
	w.vassal("a.ini", onDemandVassal(w, "umask = 022")...)
	eventually(t, "the hook of the change", func() bool { return strings.HasSuffix(said(), "changed a.ini") })
	if got := visit(t, w.path("s/a.socket"), "/"); got != "served" {
		t.Errorf("answer: %q", got)
	}
	e.running("a.ini")
	if got := strings.Count(said(), "waits"); got != 1 {
		t.Errorf("it was told %d times that it waits: %s", got, said())
	}
}
