//go:build linux

package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// seen describes a process as far as it is the same in both forms of a vassal with the built-in server.
func (w *world) seen(pid int) []string {
	w.t.Helper()
	text := w.run(fmt.Sprintf(`cd /proc/%d; grep -Ev "ctxt|^Name|^State|^Vm|^Rss|Pid:|^Tgid|^NS|^Hugetlb|^Sig[QB]|^Threads|^FDSize|^Cpus|^Mems" status; cat limits oom_score_adj
		grep -v " /proc/" mountinfo | grep -vc " /sys/firmware "; readlink cwd exe ns/*; cut -d" " -f5,6 stat | tr -s 0-9 n; stat -c %%U:%%G . fd/0
		for f in fd/*; do readlink $f; done | sed 's/[0-9]\{3,\}/n/' | sort -u`, pid))
	lines := strings.Split(strings.TrimSpace(text), "\n")
	// The channels to the emperor are sockets, as the listening ones are.
	return slices.DeleteFunc(lines, func(l string) bool {
		return strings.HasPrefix(l, "pid:[") || strings.Contains(l, "ns:[") || strings.Contains(l, ":[4")
	})
}

// The built-in server has the same rights and surroundings as the only process of its vassal as below a
// master.
func TestBothFormsOfTheServer(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]string{
		"all namespaces": {allNamespaces}, "no network": {sharesNetwork},
		"a limit of capabilities": {allNamespaces, "--emperor-cap=chown,net_bind_service,setgid,sys_resource"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			same := []string{
				"uid = 4001", "gid = 4002", "add-gid = 4003", "no-new-privileges = true", "limit-core = 0", "limit-nofile = 300:400",
				"umask = 027", "chdir = /usr", "env = OWN=yes", "static-map = /=/usr", "chmod-socket = 640",
			}
			w.vassal("sole.ini", append(slices.Clone(same), "http-socket = "+w.path("s/sole"))...)
			w.vassal("master.ini", append(slices.Clone(same), "http-socket = "+w.path("s/master"), "exec-as-root = true")...)
			e := w.start(options...)
			sole, master := e.running("sole.ini"), e.running("master.ini")
			worker := children(master)
			if len(children(sole)) != 0 || len(worker) != 1 {
				t.Fatalf("children %v and %v", children(sole), worker)
			}
			one, two := w.seen(sole), w.seen(worker[0])
			if !slices.Equal(one, two) {
				t.Errorf("alone:\n%s\nbelow a master:\n%s", strings.Join(one, "\n"), strings.Join(two, "\n"))
			}
			for _, socket := range []string{"sole", "master"} {
				if got := w.run("stat -c '%a %u %g' " + w.path("s/"+socket)); strings.TrimSpace(got) != "640 4001 4002" {
					t.Errorf("%s: %s", socket, got)
				}
			}
			e.stop(syscall.SIGTERM)
			if _, err := os.Stat(w.path("s/sole")); err == nil {
				t.Error("its socket is left")
			}
		})
	}
}

// Reloads take place in the process, which loses no request. What it cannot take over is another process, and
// a mistake changes nothing.
func TestServerReloadsInPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	socket, stats := w.path("s/web"), w.path("s/stats")
	file := func(more ...string) []string {
		return append([]string{"uid = 4001", "gid = 4001", "disable-logging = true", "http-socket = " + socket, "chmod-socket = 666"}, more...)
	}
	w.vassal("a.ini", file("route-run = send:zero")...)
	e := w.start(allNamespaces, "--emperor-change-pause", "0")
	started := func() int { t.Helper(); return e.await("a.ini", "starting -> running").PID }
	pid := started()
	v := w.visited(socket)
	v.settle()
	v.tally()
	for i := range 20 {
		w.vassal("a.ini", file(fmt.Sprintf("route-run = send:%d", i%2), "stats = "+stats)...)
		e.await("a.ini", "reloaded")
		if got := get(t, socket, http.MethodGet, "/", nil).body; got != fmt.Sprint(i%2) {
			t.Errorf("after reload %d it is %q", i, got)
		}
	}
	v.served("reloads", "zero", "0", "1")
	if now := w.list()["a.ini"].PID; now != pid {
		t.Errorf("process %d is %d", pid, now)
	}
	eventually(t, "it has no child", func() bool { return len(children(pid)) == 0 }) // it asks the kernel by some for threads
	c, err := netDial("unix", stats)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var all struct {
		PID     int
		Workers []struct{ Requests, Respawns int }
	}
	if err := json.NewDecoder(c).Decode(&all); err != nil || all.PID != 1 || len(all.Workers) != 1 || all.Workers[0].Requests == 0 {
		t.Errorf("statistics %+v, %v", all, err)
	}

	w.vassal("a.ini", file("route-run = send:1", "route = frob")...)
	e.await("a.ini", "the old one keeps running")
	w.vassal("a.ini", file("route-run = send:1", "http-socket = "+w.path("missing/x"))...)
	e.await("a.ini", "cannot reload; the vassal continues as before")
	v.served("mistakes", "1")
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	e.await("a.ini", `"why":"SIGHUP"`)
	time.Sleep(50 * time.Millisecond)
	v.served("SIGHUP", "1")
	v.leave()

	w.vassal("a.ini", file("route-run = send:2", "processes = 2")...)
	e.await("a.ini", "a new process is needed")
	next := started()
	if next == pid || len(children(next)) != 2 {
		t.Errorf("process %d has %v", next, children(next))
	}
	w.vassal("a.ini", file("route-run = send:3", "umask = 027")...)
	if again := started(); again == next || len(children(again)) != 0 {
		t.Errorf("process %d has %v", again, children(again))
	}
	if got := get(t, socket, http.MethodGet, "/", nil).body; got != "3" {
		t.Error(got)
	}
	e.stop(syscall.SIGTERM)
}

// The server as the first process of its namespace: it is started again after a kill, reaps the orphans of other
// programs there, stops at signals, and dies with its emperor.
func TestServerIsTheFirstProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	socket := w.path("s/web")
	w.vassal("a.ini", "uid = 4001", "gid = 4001", "http-socket = "+socket, "route-run = send:one", "heartbeat = 1", "env = GOMAXPROCS=1")
	e := w.start(allNamespaces, "--emperor-required-heartbeat", "3")
	pid := e.running("a.ini")
	if out, err := w.entered("a", "sh", "-c", "for i in 1 2 3; do (sleep 0.1 &) ; done").CombinedOutput(); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	eventually(t, "the orphans are gone", func() bool { return len(children(pid)) == 0 })
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	second := e.running("a.ini")
	if got := get(t, socket, http.MethodGet, "/", nil).body; second == pid || got != "one" {
		t.Errorf("%d, %q", second, got)
	}
	time.Sleep(4 * time.Second) // longer than a heartbeat may be missing
	e.undisturbed("a.ini", second)
	if err := syscall.Kill(second, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	third := e.running("a.ini")
	if third == second {
		t.Error("it did not stop")
	}
	e.signal(syscall.SIGKILL)
	eventually(t, "it is gone", func() bool { return !alive(third) })
	again := w.start(allNamespaces) // also removes what the first one has left
	again.running("a.ini")
	again.stop(syscall.SIGTERM)
}

// A server that cannot serve reports the line and the cause, as a worker does.
func TestServerAloneFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "uid = 4001", "gid = 4001", "http-socket = "+w.path("s/a"), "static-map = /=/missing")
	w.vassal("b.ini", "uid = 4001", "gid = 4001", "http-socket = "+w.path("missing/b"), "static-map = /=/usr")
	e := w.start(allNamespaces)
	e.await("a.ini", "a.ini:5: static-map: ")
	e.await("a.ini", "exit status 1")
	e.await("b.ini", "b.ini:4: http-socket: cannot listen")
	eventually(t, "the list has the reasons", func() bool {
		list := w.list()
		return strings.Contains(list["a.ini"].Error, "/missing") && strings.Contains(list["b.ini"].Error, "no such file or directory")
	})
	e.stop(syscall.SIGTERM)
}
