//go:build linux

package integration

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// underUwsgi starts a real uWSGI Emperor over the world's vassals, which are
// ours. Its log is a file.
func (w *world) underUwsgi(t *testing.T, args ...string) (stop func(), log func() string) {
	t.Helper()
	cmd := w.inside(uwsgi, append([]string{"--emperor", w.vassals, "--emperor-wrapper", program("vassal"), "--emperor-freq", "1"}, args...)...)
	file, err := os.Create(w.path("log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGINT) // TERM makes uWSGI reload
		select {
		case <-ended:
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			<-ended
			t.Error("the uWSGI Emperor does not end")
		}
	}
	t.Cleanup(func() {
		select {
		case <-ended:
		default:
			stop()
		}
		if t.Failed() {
			t.Logf("the log:\n%s", strings.Join(lines(w.path("log")), "\n"))
		}
	})
	return stop, func() string { return strings.Join(lines(w.path("log")), "\n") }
}

// TestVassalUnderUwsgi lets our vassal live under a real uWSGI Emperor: start,
// touch, change, removal, and the Emperor's stop, which leaves nothing.
func TestVassalUnderUwsgi(t *testing.T) {
	needsUwsgi(t)
	for name, args := range map[string][]string{"plain": nil, "namespaces": {"--emperor-use-clone", "fs,net,ipc,pid,uts"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if err := os.Mkdir(w.path("www"), 0o755); err != nil {
				t.Fatal(err)
			}
			w.write("www/index.html", "first")
			w.write("www/other.html", "second")
			put := func(name, index string) string {
				socket := w.path("s/" + name)
				w.vassal(name+".ini", "http-socket = "+socket, "static-map = /="+w.path("www"), "static-index = "+index)
				return socket
			}
			a, b := put("a", "index.html"), put("b", "index.html")
			stop, log := w.underUwsgi(t, args...)
			answers := func(socket, want string) {
				t.Helper()
				eventually(t, socket+" answers "+want, func() bool {
					if _, err := os.Stat(socket); err != nil {
						return false
					}
					out, err := w.inside("curl", "-s", "--max-time", "5", "--unix-socket", socket, "http://vassal/").Output()
					return err == nil && string(out) == want
				})
			}
			answers(a, "first")
			answers(b, "first")
			ready := func(name string) int { return strings.Count(log(), "vassal "+name+".ini is ready to accept requests") }
			eventually(t, "uWSGI hears that it accepts", func() bool { return ready("a") == 1 && ready("b") == 1 })
			eventually(t, "uWSGI calls it loyal", func() bool { return strings.Contains(log(), "vassal a.ini is now loyal") })
			touch := func(name string) { // uWSGI looks at whole seconds
				t.Helper()
				later := time.Now().Add(2 * time.Second)
				if err := os.Chtimes(filepath.Join(w.vassals, name), later, later); err != nil {
					t.Fatal(err)
				}
			}
			touch("a.ini")
			eventually(t, "the touch has reloaded it", func() bool { return ready("a") == 2 })
			put("b", "other.html")
			touch("b.ini")
			answers(b, "second")
			w.remove("b.ini")
			eventually(t, "b is gone", func() bool {
				return !slices.ContainsFunc(w.processes(), func(p string) bool { return strings.Contains(p, "b.ini") })
			})
			answers(a, "first")
			stop()
		})
	}
}
