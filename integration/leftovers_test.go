//go:build linux

package integration

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// linksOfBothPhases are hooks that make two links for each vassal, one before it boots and one
// when it is ready. Both names contain the vassal's name.
var linksOfBothPhases = []string{
	allNamespaces,
	"--exec-as-emperor", "ip link add e-$UWSGI_VASSAL_CONFIG type veth peer name early netns $UWSGI_VASSAL_PID",
	"--exec-on-vassal-ready", "ip link add r-$UWSGI_VASSAL_CONFIG type veth peer name late netns $UWSGI_VASSAL_PID",
}

// holdNetwork keeps the network namespace of a process alive, as an open socket does for a
// moment.
func holdNetwork(t *testing.T, pid int) {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
}

// hooksSucceed waits until both hooks of linksOfBothPhases have run, and fails when one of
// them failed.
func (e *emperor) hooksSucceed(vassal string) {
	e.t.Helper()
	for _, phase := range []string{"as-emperor", "on-vassal-ready"} {
		if r := e.await(vassal, `"hook":"`+phase); r.Msg != "hook done" {
			e.t.Fatalf("the hook of %s: %s", phase, e.about(vassal))
		}
	}
}

// Links that hooks made for the previous generation are gone when the next one's hooks run,
// whichever phase has made them.
func TestLinksOfEveryPhaseEndWithTheirGeneration(t *testing.T) {
	t.Parallel()
	for _, release := range []string{"hooks", "early"} {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vassal("a.ini", serves)
			e := w.start(append(linksOfBothPhases, "--emperor-backoff=100ms", "--emperor-release="+release)...)
			for range 3 {
				pid := e.running("a.ini")
				e.hooksSucceed("a.ini")
				holdNetwork(t, pid)
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
			e.running("a.ini")
			e.hooksSucceed("a.ini")
			e.stop(syscall.SIGTERM)
			if left := strings.Count(w.run("ip -o link"), "a.ini"); left != 0 {
				t.Errorf("%d links are left", left)
			}
		})
	}
}

// Without a pid namespace the hooks of a vassal find the emperor's network, too.
func TestLinksOfTheVassalsOwnHooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "exec-as-root = ip link add eth0 type veth peer name own0 netns $(cat "+w.path("pid")+")", serves)
	e := w.start("--emperor-use-clone=net", "--emperor-pidfile="+w.path("pid"), "--emperor-backoff=100ms")
	for range 3 {
		pid := e.running("a.ini")
		eventually(t, "its link is written down", func() bool { return w.run("grep -l own0 /run/emperor/ledger/* || true") != "" })
		holdNetwork(t, pid)
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	e.running("a.ini")
	e.stop(syscall.SIGTERM)
}

// The emperor that succeeds a killed one removes the links of hooks before it launches
// anything.
func TestLinksOfAKilledEmperor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	vassals := []string{"a.ini", "b.ini", "c.ini"}
	for _, name := range vassals {
		w.vassal(name, serves)
	}
	w.run("ip link add foreign type veth peer name foreign1")
	for range 3 {
		e := w.start(linksOfBothPhases...)
		for _, name := range vassals {
			pid := e.running(name)
			e.hooksSucceed(name)
			eventually(t, "both are written down", func() bool { return w.run("grep -l r-"+name+" /run/emperor/ledger/* || true") != "" })
			holdNetwork(t, pid)
		}
		e.signal(syscall.SIGKILL)
		e.wait()
	}
	e := w.start(linksOfBothPhases...)
	e.await("", "cleaned up after a killed emperor")
	for _, name := range vassals {
		e.running(name)
		e.hooksSucceed(name)
	}
	e.stop(syscall.SIGTERM)
	if got := w.run("ip -o link | cut -d: -f2 | cut -d@ -f1 | xargs"); got != "lo foreign1 foreign" {
		t.Errorf("links in the end: %s", got)
	}
	w.run("ip link del foreign")
}

// An emperor that is killed while its hooks run has not recorded their links yet: the next one
// waits for the ends of the networks.
func TestLinksOfAnEmperorKilledAmidItsHooks(t *testing.T) {
	t.Parallel()
	for _, cgroups := range []bool{true, false} {
		t.Run(fmt.Sprintf("cgroups %v", cgroups), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if !cgroups {
				w.withoutCgroups()
			}
			const vassals = 10
			for i := range vassals {
				w.vassal(fmt.Sprintf("v%d.ini", i), serves)
			}
			args := append(linksOfBothPhases, "--emperor-concurrency=10", "--exec-as-emperor", "test ! -e "+w.path("slow")+" || exec sleep 5")
			w.write("slow", "")
			e := w.start(args...)
			for i := range vassals {
				name := fmt.Sprintf("e-v%d.ini", i)
				eventually(t, name+" is there", func() bool { return strings.Contains(w.run("ip -o link"), name) })
			}
			if err := os.Remove(w.path("slow")); err != nil {
				t.Fatal(err)
			}
			e.signal(syscall.SIGKILL)
			eventually(t, "it is dead", func() bool { return !alive(e.pid()) })
			next := w.start(args...) // at once: the hooks of the first still hold its log
			for i := range vassals {
				name := fmt.Sprintf("v%d.ini", i)
				next.running(name)
				next.hooksSucceed(name)
			}
			next.stop(syscall.SIGTERM)
			e.wait()
		})
	}
}

// withoutCgroups hides cgroup v2 from the emperors that start from now on.
func (w *world) withoutCgroups() {
	w.t.Helper()
	w.run("grep ' cgroup2 ' /proc/self/mounts | cut -d' ' -f2 | xargs -r umount -l")
	w.cgroup = ""
	w.before = w.snapshot()
}
