//go:build linux

package integration

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// contained starts an emperor in a pid namespace of its own, over the world's directory of
// that name. All emperors started this way have the same pid inside.
func (w *world) contained(name string) *emperor {
	w.t.Helper()
	w.run("mkdir -p " + w.path(name))
	e := w.launch(w.inside("unshare", "--pid", "--fork", "--mount-proc", "--kill-child", program("emperor"), "--emperor-log-format", "json",
		"--runtime-dir", w.path("run-"+name), "--emperor-pidfile", w.path("pid"), "--exec-as-emperor", "echo hook of $UWSGI_VASSAL_CONFIG", w.path(name)))
	e.await("", "is watching")
	return e
}

// processesOf lists the processes of the world with that command line.
func (w *world) processesOf(command string) (pids []int) {
	for _, p := range w.processes() {
		pid, rest, _ := strings.Cut(p, " ")
		if n, err := strconv.Atoi(pid); err == nil && strings.TrimSpace(rest) == command {
			pids = append(pids, n)
		}
	}
	return pids
}

// leave stops the emperor of contained in an orderly way: unshare(1) passes on no signal.
func (e *emperor) leave() {
	e.t.Helper()
	for _, pid := range children(e.pid()) {
		_ = syscall.Kill(pid, syscall.SIGTERM)
	}
	if code := e.wait(); code != 0 {
		e.t.Errorf("the emperor ended with %d:\n%s", code, e.tail())
	}
}

// roots lists the cgroups of emperors in the world's.
func (w *world) roots() (found []string) {
	for _, path := range w.cgroups() {
		if filepath.Dir(path) == w.cgroup {
			found = append(found, filepath.Base(path))
		}
	}
	return found
}

// Emperors in containers of their own that share a cgroup have the same pid, and do not
// interfere when they start or end.
func TestEmperorsInPidNamespaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w.cgroup == "" {
		t.Skip("needs a cgroup v2")
	}
	file := func(name string) string { return filepath.Join(name, "same.ini") }
	var emperors []*emperor
	var pids []int
	for _, name := range []string{"one", "two", "three"} {
		w.run("mkdir " + w.path(name))
		w.write(file(name), ini(serves))
		e := w.contained(name)
		emperors = append(emperors, e)
		e.running("same.ini")
		for _, pid := range w.processesOf("sleep 1000000") {
			if !slices.Contains(pids, pid) {
				pids = append(pids, pid)
			}
		}
	}
	if len(pids) != 3 || len(w.roots()) != 3 {
		t.Errorf("%d vassals serve in %v", len(pids), w.roots())
	}
	for _, e := range emperors {
		if !alive(e.pid()) || e.count("same.ini", "-> clearing") > 0 || e.count("", "left of an emperor")+e.count("same.ini", "cannot launch") > 0 {
			t.Errorf("an emperor or its vassal was disturbed:\n%s", e.tail())
		}
	}
	for _, pid := range pids {
		if !alive(pid) {
			t.Errorf("process %d of a vassal was ended", pid)
		}
	}
	// The next emperor removes the root of one that was killed, and no other.
	if err := syscall.Kill(emperors[0].pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	emperors[0].wait()
	left := strings.Join(w.roots(), " ")
	next := w.contained("one")
	next.running("same.ini")
	if now := w.roots(); len(now) != 3 || strings.Join(now, " ") == left {
		t.Errorf("roots %v, before %s", now, left)
	}
	for _, e := range []*emperor{emperors[1], emperors[2]} {
		if e.count("same.ini", "-> clearing") > 0 {
			t.Errorf("a vassal was disturbed:\n%s", e.tail())
		}
	}
	// When two emperors share a pid file, only the emperor that wrote it last removes it,
	// although both have the same pid.
	emperors[1].leave()
	if text := lines(w.path("pid")); len(text) != 1 || text[0] != "1" {
		t.Errorf("the pid file holds %q", text)
	}
	emperors[2].leave()
	next.leave()
	if text := lines(w.path("pid")); len(text) != 0 {
		t.Errorf("the pid file is left: %q", text)
	}
}

// When the emperor's empty cgroup was removed, it is made again for the next vassal and the
// next hook.
func TestCgroupIsMadeAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w.cgroup == "" {
		t.Skip("needs a cgroup v2")
	}
	e := w.start("--exec-as-emperor-before-vassal", "echo before")
	e.barrier()
	for range 2 {
		eventually(t, "the emperor's cgroup is empty and removed", func() bool {
			for _, root := range w.roots() {
				if syscall.Rmdir(filepath.Join(w.cgroup, root)) != nil {
					return false
				}
			}
			return len(w.roots()) == 0
		})
		w.vassal("a.ini", serves)
		e.running("a.ini")
		e.await("", "was removed; created it again")
		if n := len(w.cgroups()); n < 2 {
			t.Errorf("there are %v", w.cgroups())
		}
		e.remove("a.ini")
		e.gone("a.ini")
	}
	if n := e.count("a.ini", "ERROR"); n > 0 {
		t.Errorf("%d errors:\n%s", n, e.about("a.ini"))
	}
	e.stop(syscall.SIGTERM)
}
