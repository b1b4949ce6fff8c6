//go:build linux

package integration

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// cgroupOf returns the path of a process in the hierarchy of cgroup v2.
func cgroupOf(pid int) (path string) {
	for _, line := range lines(fmt.Sprintf("/proc/%d/cgroup", pid)) {
		if v2, ok := strings.CutPrefix(line, "0::"); ok {
			path = v2
		}
	}
	return path
}

// On a host that delegates no controller, a limit is an error with its line and a remedy. A
// vassal that runs is not touched by it.
func TestLimitsWithoutController(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w.cgroup == "" {
		t.Skip("needs a cgroup v2")
	}
	w.vassal("a.ini", serves)
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	w.vassal("a.ini", serves, "memory-max = 64m")
	e.await("a.ini", "a.ini:3: memory-max: this host gives the emperor no memory controller (Delegate=yes, cgroup v2) (emperor-limits = best-effort starts the vassal without)")
	e.undisturbed("a.ini", pid)
	w.vassal("b.ini", serves, "tasks-max = 100")
	e.await("b.ini", "tasks-max: this host gives the emperor no pids controller")
	if text, _ := w.command("list"); !strings.Contains(text, "no pids controller") {
		t.Errorf("the list says\n%s", text)
	}
	e.stop(syscall.SIGTERM)
}

// With emperor-limits = best-effort the vassal starts, and one line reports that. Its cgroup is its own
// all the same, and cgroup = DIR is below it.
func TestLimitsAsFarAsPossible(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if w.cgroup == "" {
		t.Skip("needs a cgroup v2")
	}
	for _, name := range []string{"a.ini", "b.ini"} {
		w.vassal(name, serves, "memory-max = 64m", "memory-high = 32m", "cgroup = inner/one", "cgroup-opt = cgroup.max.descendants=7", "limit-group = web")
	}
	e := w.start(allNamespaces, "--emperor-limits", "best-effort", "--emperor-limit-group", "web: memory-max=1g")
	pid, other := e.running("a.ini"), e.running("b.ini")
	if n := e.count("", "no memory controller"); n != 1 {
		t.Errorf("%d lines about it:\n%s", n, e.tail())
	}
	path := cgroupOf(pid)
	if !strings.HasSuffix(path, "/inner/one") || !strings.Contains(path, "/group_web-") {
		t.Errorf("its cgroup is %s", path)
	}
	top := strings.TrimSuffix(path, "/inner/one")
	if got := lines(filepath.Join(filepath.Dir(w.cgroup), top, "cgroup.max.descendants")); len(got) != 1 || got[0] != "7" {
		t.Errorf("the file of %s holds %q", top, got)
	}
	e.remove("a.ini")
	e.gone("a.ini")
	e.undisturbed("b.ini", other)
	e.stop(syscall.SIGTERM)
}

// TestOwnerGroupWithoutControllers: the reason names the emperor's option where the vassal has no line about a group.
func TestOwnerGroupWithoutControllers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenant("a.ini", 4001, serves)
	e := w.start(allNamespaces, "--emperor-tyrant", "--emperor-limit-group", "owner: tasks-max=1000")
	e.await("a.ini", "emperor-limit-group: limit-group: tasks-max: this host gives the emperor no pids controller")
}
