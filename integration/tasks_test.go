//go:build linux

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// taskLimit is a cgroup with a limit of processes and threads.
type taskLimit struct {
	t   testing.TB
	dir string
}

// limitTasks makes a cgroup, at first without a limit, and puts all processes of the world
// into it.
func (w *world) limitTasks() *taskLimit {
	w.t.Helper()
	l := &taskLimit{w.t, w.cgroup}
	if _, err := os.Stat(filepath.Join(l.dir, "pids.max")); err == nil && l.dir != "" {
		return l // they are in it already
	}
	l.dir = "/sys/fs/cgroup/pids/story-" + w.tag
	if os.Mkdir(l.dir, 0o755) != nil {
		w.t.Skip("there is no controller of cgroups that limits tasks")
	}
	w.t.Cleanup(func() { eventually(w.t, "the cgroup is removed", func() bool { return os.Remove(l.dir) == nil }) })
	for _, p := range w.processes() {
		pid, _, _ := strings.Cut(p, " ")
		_ = os.WriteFile(filepath.Join(l.dir, "cgroup.procs"), []byte(pid), 0)
	}
	return l
}

func (l *taskLimit) set(limit string) {
	l.t.Helper()
	if err := os.WriteFile(filepath.Join(l.dir, "pids.max"), []byte(limit), 0); err != nil {
		l.t.Fatal(err)
	}
}

// leave makes room for n more.
func (l *taskLimit) leave(n int) {
	l.t.Helper()
	l.set(strconv.Itoa(number(filepath.Join(l.dir, "pids.current")) + n))
}

func threads(t testing.TB, pid int) int {
	t.Helper()
	n, err := strconv.Atoi(status(t, pid, "Threads"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// While the kernel refuses new processes and threads, vassals end, die, change and are added.
// The emperor and the remaining vassals survive, and once tasks are available again all
// vassals run as configured.
func TestNoTaskToBeHad(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const vassals = 60
	name := func(i int) string { return fmt.Sprintf("v%d.ini", i) }
	file := func(i int, more ...string) {
		w.vassal(name(i), append(more, "uid = 4001", "gid = 4001", "http-socket = "+w.path(fmt.Sprintf("s/%d", i)), serves)...)
	}
	for i := range vassals {
		file(i)
	}
	e := w.start(allNamespaces, "--exec-as-emperor", "true", "--exec-as-emperor-after-vassal", "sleep 1", "--emperor-hook-concurrency", "100",
		"--emperor-backoff-max", "1", "--runtime-dir", w.path("run"))
	pids := map[int]int{}
	for i := range vassals {
		pids[i] = e.running(name(i))
	}
	limit := w.limitTasks()
	before := threads(t, e.pid())
	limit.leave(10) // the hooks of a few ends use up the room
	for i := 0; i < vassals; i += 3 {
		w.remove(name(i))
	}
	for i := 0; i < vassals; i += 3 {
		e.gone(name(i))
	}
	limit.set("0")
	for i := 1; i < vassals; i += 3 {
		file(i, "env = A=B")
	}
	file(vassals)
	if err := syscall.Kill(pids[2], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		e.await(name(vassals), "cannot launch")
		e.await(name(2), "cannot launch")
	}
	for i := 1; i < vassals; i += 3 {
		e.await(name(i), "cannot reload; the vassal continues as before")
	}
	var clients sync.WaitGroup
	for range 5 {
		for _, command := range []string{"list", "status", "events"} {
			clients.Go(func() {
				if out, code := w.command("--runtime-dir", w.path("run"), command); code != 0 {
					t.Errorf("%s: %d %s", command, code, out)
				}
			})
		}
	}
	clients.Wait()
	if after := threads(t, e.pid()); after > before {
		t.Errorf("%d threads before, %d after", before, after)
	}
	for i, pid := range pids {
		if i != 2 && i%3 != 0 && !alive(pid) {
			t.Errorf("%s has died:\n%s", name(i), e.about(name(i)))
		}
	}
	limit.set("max")
	e.running(name(vassals))
	e.running(name(2))
	e.stop(syscall.SIGTERM)
}

// When there is no room for the threads that an emperor needs, it reports this at its start
// instead of dying later.
func TestTooFewTasksToStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	limit := w.limitTasks()
	limit.set("20")
	script := "echo $$ >" + limit.dir + `/cgroup.procs; exec "$@"`
	e := w.launch(w.inside("sh", "-c", script, "sh", program("emperor"), w.vassals))
	if code := e.wait(); code != 1 {
		t.Errorf("it ended with %d", code)
	}
	e.await("", "pids.max leaves room for ")
	limit.set("max")
	e = w.launch(w.inside("sh", "-c", script, "sh", program("emperor"), "--emperor-log-format", "json", w.vassals))
	e.barrier()
	e.stop(syscall.SIGTERM)
}
