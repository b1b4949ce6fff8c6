//go:build linux

package integration

import (
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// workerOf returns the pid of the answering worker, as the vassal sees it.
func workerOf(t *testing.T, socket string) string {
	t.Helper()
	return get(t, socket, http.MethodGet, "/", nil).body
}

// When the new configuration cannot take effect, the old workers continue with their sockets,
// and the emperor knows the reason.
func TestReloadThatFailsIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	socket := w.path("s/web")
	w.vassal("a.ini", asRole("web", "http-socket = "+socket)...)
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	first := workerOf(t, socket)
	for _, change := range []struct{ options, why string }{
		{"command = /no/such/program\nhttp-socket = " + socket, "it is not there"},
		{"command = sh -c 'exit 9'\nnotify-ready = true\nhttp-socket = " + socket, "exit status 9"},
		{"command = sleep 1000\nready-probe = exec:false\nready-timeout = 1\nsocket = " + w.path("s/other"), "was not ready within 1s"},
		{serves + "\nhttp-socket = " + w.path("none/s"), "no such file or directory"},
		{serves + "\nexec-post-fork = false\nhttp-socket = " + socket, "exit status 1"},
		{"https-socket = " + w.path("s/tls") + ",/no/cert,/no/key\nstatic-map = /=/srv", "cannot use certificate \"/no/cert\""},
		{"https-socket = " + w.path("s/tls") + ",/no/cert,/no/key\nstatic-map = /=/srv\nexec-post-fork = true", "cannot use certificate \"/no/cert\""},
		{"https-socket = " + w.path("s/tls") + ",/no/cert,/no/key\nstatic-map = /=/srv\nexec-post-fork = setsid sleep 30 >/dev/null 2>&1 &", "cannot use certificate \"/no/cert\""},
		{serves + "\nenvdir = /no/such/dir\nhttp-socket = " + socket, "no such file or directory"},
	} {
		w.vassal("a.ini", change.options)
		e.await("a.ini", "cannot reload: the old workers stay")
		eventually(t, "the emperor knows that "+change.why, func() bool { return strings.Contains(w.status("a.ini").ReloadError, change.why) })
		if now := workerOf(t, socket); now != first {
			t.Errorf("%s: worker %s answers, not %s", change.why, now, first)
		}
	}
	if _, err := os.Stat(w.path("s/other")); !os.IsNotExist(err) {
		t.Errorf("the socket of what did not come up is left: %v", err)
	}
	w.vassal("a.ini", asRole("web", "http-socket = "+socket, "env = NOW=good", "envdir = "+w.dir("env", "NAME"))...)
	e.await("a.ini", "workers replaced")
	eventually(t, "all is well again", func() bool { return w.status("a.ini").ReloadError == "" })
	// The same without an order.
	for _, change := range []struct{ from, to, why string }{{"env", "gone", "SIGHUP: "}, {"gone", "env", ""}} {
		if err := os.Rename(w.path(change.from), w.path(change.to)); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the emperor has heard "+change.why, func() bool {
			now := w.status("a.ini").ReloadError
			return strings.HasPrefix(now, change.why) && (now == "") == (change.why == "")
		})
	}
	if !alive(pid) {
		t.Error("the master is another")
	}
}

// A reload replaces the hooks of workers and of the master without a new process, unless they
// need one that can call C functions.
func TestReloadChangesHooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("touch", "")
	touch := "hook-touch = " + w.path("touch") + " print:"
	w.vassal("a.ini", serves, "exec-post-fork = echo first fork", touch+"first touch")
	e := w.start(allNamespaces)
	pid := e.await("a.ini", "starting -> running").PID
	e.await("a.ini", "first fork")
	w.vassal("a.ini", serves, "exec-post-fork = echo second fork", touch+"second touch", "exec-as-user-atexit = echo second end")
	e.await("a.ini", "second fork")
	e.await("a.ini", "workers replaced")
	w.write("touch", "touched")
	e.await("a.ini", "second touch")
	if e.count("a.ini", "first touch") > 0 || !alive(pid) {
		t.Error("the old hook ran, or the process is another")
	}
	w.vassal("a.ini", serves, "call-as-user-atexit = sync")
	e.await("a.ini", "second end")
	e.await("a.ini", "call-as-user-atexit needs C functions")
	if next := e.await("a.ini", "starting -> running").PID; next == pid {
		t.Error("it goes on without functions of C")
	}
}

// A reload binds new sockets and closes removed ones; a socket in both configurations stays
// the same.
func TestReloadChangesSockets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two, three := w.path("s/one"), w.path("s/two"), w.path("s/three")
	w.vassal("a.ini", asRole("web", "http-socket = "+one, "http-socket = "+two)...)
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	before := inode(t, one)
	w.vassal("a.ini", asRole("web", "http-socket = "+one, "http-socket = "+three)...)
	e.await("a.ini", "workers replaced")
	eventually(t, "the old socket is gone", func() bool { return inode(t, two) == 0 })
	if inode(t, one) != before || inode(t, three) == 0 || !alive(pid) {
		t.Errorf("sockets %d (was %d) and %d", inode(t, one), before, inode(t, three))
	}
	workerOf(t, one)
}

// The address of a socket may get another protocol, or another spelling. An address that
// cannot be bound beside the old one needs a new process.
func TestReloadChangesWhatIsSpoken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dir("www", "index.html")
	path := w.path("s/web")
	serving := func(sockets ...string) []string { return append(sockets, "static-map = /="+w.path("www")) }
	w.vassal("a.ini", serving("socket = :8080", "socket = "+path)...)
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	before := inode(t, path)
	w.vassal("a.ini", serving("http-socket = 0.0.0.0:8080", "http-socket = "+path, "http-socket = /no/such/socket")...)
	e.await("a.ini", "cannot reload")
	e.running("a.ini")
	w.vassal("a.ini", serving("http-socket = 0.0.0.0:8080", "http-socket = "+path)...)
	e.await("a.ini", "workers replaced")
	e.running("a.ini")
	// The old worker shares the queue until it ends, with its old protocol.
	for _, to := range []string{"--unix-socket " + path + " http://web", "http://127.0.0.1:8080"} {
		in(t, pid, "ip link set lo up; until curl -s "+to+"/index.html | grep -q 'a page'; do sleep 0.05; done")
	}
	if got := inode(t, path); got != before || !alive(pid) {
		t.Errorf("inode %d, was %d", got, before)
	}
	w.vassal("a.ini", serving("http-socket = 127.0.0.1:8080", "http-socket = "+path)...)
	e.await("a.ini", "-> starting")
	in(t, e.running("a.ini"), "ss -ltn | grep -q '127.0.0.1:8080 '")
	e.remove("a.ini")
	e.gone("a.ini")
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the path is left: %v", err)
	}
}

// A path may get another destination, as in a deployment by a link or by renamed directories,
// and a missing file may appear.
func TestTriggersFollowPaths(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, dir := range []string{"one", "two", "three"} {
		w.dir(dir+"/code", "main.py")
		w.write(dir+"/touch", dir)
	}
	link := func(to string) {
		t.Helper()
		if err := os.Symlink(w.path(to), w.path("new")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(w.path("new"), w.path("current")); err != nil {
			t.Fatal(err)
		}
	}
	link("one")
	w.vassal("touch.ini", serves, "touch-reload = "+w.path("current/touch"))
	w.vassal("tree.ini", serves, "fs-reload = "+w.path("current/code"), "fs-reload = "+w.path("later"))
	e := w.start(allNamespaces)
	for _, name := range []string{"touch.ini", "tree.ini"} {
		e.running(name)
	}
	link("two")
	for _, name := range []string{"touch.ini", "tree.ini"} {
		e.await(name, "workers replaced")
	}
	w.write("two/code/more.py", "") // which is watched by now
	e.await("tree.ini", "workers replaced")
	for _, move := range [][2]string{{"two/code", "two/old"}, {"three/code", "two/code"}} {
		if err := os.Rename(w.path(move[0]), w.path(move[1])); err != nil {
			t.Fatal(err)
		}
	}
	e.await("tree.ini", "workers replaced")
	w.dir("later", "new.py")
	e.await("tree.ini", w.path("later")+" has changed")
	w.write("two/touch", "again")
	e.await("touch.ini", "workers replaced")
}

// With exit-on-reload the emperor starts another process instead.
func TestExitOnReload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves, "exit-on-reload = true")
	e := w.start(allNamespaces)
	if err := syscall.Kill(e.running("a.ini"), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	e.await("a.ini", "exit-on-reload: SIGHUP")
	second := e.running("a.ini")
	w.vassal("a.ini", serves, "exit-on-reload = true", "env = A=b")
	if third := e.running("a.ini"); third == second || alive(second) {
		t.Error("the process stayed")
	}
	if n := e.count("a.ini", "-> backoff"); n > 0 {
		t.Errorf("%d of its ends were taken for failures", n)
	}
	if e.count("a.ini", "workers replaced") > 0 {
		t.Error("it has reloaded")
	}
}

// touch-chain-reload: workers are replaced one after the other, with the same configuration.
func TestChainReload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("chain", "")
	w.vassal("a.ini", serves, "processes = 3", "touch-chain-reload = "+w.path("chain"), "stop-signal = INT")
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	var before []int
	for range 3 {
		before = append(before, e.workerStarted("a.ini", pid))
	}
	w.write("chain", "touched")
	e.await("a.ini", "replacing one worker after the other")
	for range 3 {
		e.workerStarted("a.ini", pid)
	}
	eventually(t, "three others serve", func() bool {
		now := workersOf(pid)
		return len(now) == 3 && !slices.ContainsFunc(now, func(p int) bool { return slices.Contains(before, p) })
	})
}

// A worker that is old enough, or too big, gets a successor first: no connection is refused.
func TestLimitsReplaceWorkers(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]string{
		"it has reached its age": {"max-worker-lifetime = 1"},
		"it uses ":               {"reload-on-rss = 1", "min-worker-lifetime = 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			socket := w.path("s/web")
			w.vassal("a.ini", asRole("web", append(options, "http-socket = "+socket, "processes = 2", "listen = 1024")...)...)
			e := w.start(allNamespaces)
			pid := e.running("a.ini")
			first := workerOf(t, socket)
			c := w.customers(1, socket)
			for range 4 {
				e.await("a.ini", name)
			}
			if failures := c.leave(); len(failures) > 0 {
				t.Errorf("%d of %d requests failed: %v", len(failures), c.answered.Load(), failures[0])
			}
			eventually(t, "others serve", func() bool { return workerOf(t, socket) != first && len(workersOf(pid)) >= 2 })
		})
	}
}

// SIGTERM reloads with die-on-term = false, as in uWSGI, and SIGINT and SIGQUIT still stop.
func TestDieOnTerm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves, "die-on-term = false")
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if r := e.await("a.ini", "workers replaced"); !strings.Contains(r.raw, `"why":"SIGTERM"`) {
		t.Errorf("the log says %s", r.raw)
	}
	if err := syscall.Kill(pid, syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	e.await("a.ini", "stopping: quit")
	if again := e.running("a.ini"); again == pid {
		t.Error("it is the same process")
	}
	e.remove("a.ini") // the emperor's own order is no signal
	e.gone("a.ini")
}

// Processes that a worker has started end with it, also when they have become orphans. A
// worker leads a session of its own.
func TestFamilyOfAWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("family.sh", `sleep 7777 & (sleep 7777 &) ; echo "worker $$ leads $(ps -o sid= -p $$)" ; wait`)
	w.vassal("a.ini", "command = sh "+w.path("family.sh"))
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	worker := e.workerStarted("a.ini", pid)
	inner := status(t, worker, "NSpid")
	inner = inner[strings.LastIndexByte(inner, ' ')+1:]
	said := e.await("a.ini", "worker "+inner+" leads").Msg
	if strings.Fields(said)[3] != inner {
		t.Errorf("it says %q", said)
	}
	sleepers := func() (n int) {
		for _, p := range w.processes() {
			if strings.Contains(p, "sleep 7777") {
				n++
			}
		}
		return n
	}
	eventually(t, "the family is complete", func() bool { return sleepers() == 2 })
	if err := syscall.Kill(worker, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	e.await("a.ini", "the worker died")
	eventually(t, "it is replaced with its family", func() bool { return len(workersOf(pid)) >= 1 && sleepers() == 2 && !alive(worker) })
	for _, child := range workersOf(pid) {
		if status(t, child, "State") == "Z (zombie)" {
			t.Errorf("%d is a zombie", child)
		}
	}
}

// Without a pid namespace the kernel does not end the processes of a killed vassal: its
// workers have a death signal.
func TestWorkersDieWithTheirVassal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("a.ini", ini(serves, "processes = 2"))
	cmd := w.inside("sh", "-c", `cd / && exec "$0" "$1"`, program("vassal"), w.path("a.ini"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	sleepers := func() (found []int) {
		for _, p := range w.processes() {
			if strings.Contains(p, "sleep 1000000") {
				n, _ := strconv.Atoi(strings.Fields(p)[0])
				found = append(found, n)
			}
		}
		return found
	}
	eventually(t, "two serve", func() bool { return len(sleepers()) == 2 })
	for _, worker := range sleepers() {
		if sid, err := strconv.Atoi(strings.Fields(output(t, w.inside("ps", "-o", "sid=", "-p", strconv.Itoa(worker))))[0]); err != nil || sid != worker {
			t.Errorf("worker %d is in session %d", worker, sid)
		}
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	eventually(t, "no sleeper is left", func() bool { return len(sleepers()) == 0 })
}

// A worker that ignores its signal is killed after its own mercy, not the vassal's, and the
// signal is configurable.
func TestMercyOfAWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("deaf.sh", "trap 'echo heard USR2' USR2; trap 'echo heard TERM' TERM; echo listening; while :; do sleep 0.02; done")
	w.vassal("a.ini", "command = sh "+w.path("deaf.sh"), "stop-signal = USR2", "worker-reload-mercy = 1", "reload-mercy = 600")
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	e.await("a.ini", "listening")
	for range 2 {
		if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		e.await("a.ini", "heard USR2")
		e.await("a.ini", "the worker did not stop in time: killing it")
		e.await("a.ini", "listening")
	}
	e.remove("a.ini")
	e.gone("a.ini")
	if e.count("a.ini", "heard TERM") > 0 {
		t.Error("it was asked by another signal")
	}
}

// Without a pid namespace the vassal ends processes that its workers have left behind in
// sessions of their own.
func TestOrphansEndWithTheirVassal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("family.sh", "(setsid sleep 7778 &) ; (setsid sh -c 'sleep 7778 & exec sleep 7778' &) ; echo left; exec sleep 1000")
	w.vassal("a.ini", "command = sh "+w.path("family.sh"))
	e := w.start("--emperor-use-clone=fs")
	pid := e.running("a.ini")
	sleepers := func() (n int) {
		for _, p := range w.processes() {
			if strings.Contains(p, "sleep 7778") && !strings.Contains(p, "sh -c") {
				n++
			}
		}
		return n
	}
	e.await("a.ini", "left")
	eventually(t, "three are orphans", func() bool { return sleepers() == 3 && len(children(pid)) == 3 })
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil { // the emperor would kill its cgroup
		t.Fatal(err)
	}
	eventually(t, "it ends", func() bool { return !alive(pid) })
	e.await("a.ini", "exit status 0")
	e.remove("a.ini")
	e.gone("a.ini")
	if n := sleepers(); n > 0 {
		t.Errorf("%d are left", n)
	}
}

// inode returns the inode of a path; zero when there is none.
func inode(t *testing.T, path string) uint64 {
	t.Helper()
	info, err := os.Stat(path)
	if os.IsNotExist(err) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino
}
