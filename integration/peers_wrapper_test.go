//go:build linux

package integration

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// underUwsgi starts a real uWSGI Emperor over the world's vassals, which are ours.
func (w *world) underUwsgi(t *testing.T, args ...string) (stop func(), log func() string) {
	t.Helper()
	return w.uwsgi(t, append([]string{"--emperor", w.vassals, "--emperor-wrapper", program("vassal"), "--emperor-freq", "1"}, args...)...)
}

// uwsgi starts a real uWSGI, which ends with the test at the latest. Its log is a file.
func (w *world) uwsgi(t *testing.T, args ...string) (stop func(), log func() string) {
	t.Helper()
	return w.uwsgiBy(t, w.inside(uwsgi, args...))
}

// uwsgiBy starts the uWSGI that cmd becomes.
func (w *world) uwsgiBy(t *testing.T, cmd *exec.Cmd) (stop func(), log func() string) {
	t.Helper()
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
			t.Error("uWSGI does not end")
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

// TestVassalUnderUwsgi runs our vassal under a real uWSGI Emperor: start, touch, change,
// removal, and the Emperor's stop, which leaves nothing.
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
			touch := func(name string) { // uWSGI compares whole seconds
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

// uwsgiVassal is a vassal in uWSGI's statistics.
type uwsgiVassal struct {
	ID                       string
	PID, Accepting, Respawns int
	LastHeartbeat            int64 `json:"last_heartbeat"`
}

// uwsgiSees asks a real uWSGI Emperor about a vassal; ok: it has one.
func uwsgiSees(t *testing.T, socket, name string) (v uwsgiVassal, ok bool) {
	t.Helper()
	c, err := netDial("unix", socket)
	if err != nil {
		return v, false
	}
	defer c.Close()
	var all struct{ Vassals []uwsgiVassal }
	if err := json.NewDecoder(c).Decode(&all); err != nil {
		return v, false
	}
	i := slices.IndexFunc(all.Vassals, func(v uwsgiVassal) bool { return v.ID == name })
	if i < 0 {
		return v, false
	}
	return all.Vassals[i], true
}

// TestVassalOnDemandUnderUwsgi lets a connection to a real uWSGI Emperor start our vassal,
// which exits when it is idle, repeatedly.
func TestVassalOnDemandUnderUwsgi(t *testing.T) {
	needsUwsgi(t)
	for name, args := range map[string][]string{"plain": nil, "namespaces": {"--emperor-use-clone", "fs,net,ipc,pid,uts"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.run("mkdir " + w.path("www") + " && echo served >" + w.path("www/index.html"))
			w.vassal("a.ini", onDemandVassal(w, "idle = 1", "die-on-idle = true")...)
			w.write(filepath.Join(w.vassals, "a.ini.at"), w.path("s/a"))
			stop, log := w.underUwsgi(t, append(args, "--emperor-on-demand-extension", ".at")...)
			for round := 1; round <= 3; round++ {
				eventually(t, "uWSGI waits for connections", func() bool {
					return strings.Count(log(), "waiting for connections on socket") == round
				})
				if got := visit(t, w.path("s/a"), "/"); got != "served\n" {
					t.Errorf("answer: %q", got)
				}
				eventually(t, "it goes back to wait", func() bool {
					return strings.Count(log(), "bringing back instance a.ini to on-demand mode") == round
				})
			}
			if n := strings.Count(log(), "vassal a.ini is now loyal"); n != 3 {
				t.Errorf("it was loyal %d times, want 3", n)
			}
			stop()
		})
	}
}

// TestVassalsHeartUnderUwsgi: uWSGI receives the heartbeats of our vassal and its request to
// stop, and ends a vassal without heartbeats.
func TestVassalsHeartUnderUwsgi(t *testing.T) {
	needsUwsgi(t)
	for name, args := range map[string][]string{"plain": nil, "namespaces": {"--emperor-use-clone", "fs,net,ipc,pid,uts"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.run("mkdir " + w.path("www") + " && echo served >" + w.path("www/index.html"))
			w.vassal("heart.ini", "http-socket = "+w.path("s/heart"), "static-map = /="+w.path("www"), "heartbeat = 1")
			w.vassal("idle.ini", "http-socket = "+w.path("s/idle"), "static-map = /="+w.path("www"), "idle = 1", "die-on-idle = true")
			stats := w.path("stats")
			stop, log := w.underUwsgi(t, append(args, "--emperor-required-heartbeat", "5", "--emperor-stats", stats)...)
			var first uwsgiVassal
			eventually(t, "its heart is heard", func() bool {
				v, _ := uwsgiSees(t, stats, "heart.ini")
				first = v
				return v.Accepting == 1 && v.LastHeartbeat > 0
			})
			eventually(t, "it stops by itself", func() bool { return strings.Contains(log(), "stop the uwsgi instance idle.ini") })
			w.remove("idle.ini")
			eventually(t, "its heart beats on", func() bool {
				v, _ := uwsgiSees(t, stats, "heart.ini")
				return v.LastHeartbeat >= first.LastHeartbeat+7 // longer than uWSGI would wait
			})
			if v, _ := uwsgiSees(t, stats, "heart.ini"); v.PID != first.PID || v.Respawns != 0 {
				t.Errorf("it was respawned: %+v, was %+v", v, first)
			}
			worker := children(first.PID)[0]
			defer func() { _ = syscall.Kill(worker, syscall.SIGCONT) }()
			if err := syscall.Kill(worker, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			eventually(t, "a silent vassal is replaced", func() bool {
				v, ok := uwsgiSees(t, stats, "heart.ini")
				return ok && v.PID != first.PID && v.Accepting == 1
			})
			stop()
		})
	}
}
