//go:build linux

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestHooksSeeTheVassal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	say := "$UWSGI_VASSAL_CONFIG:${UWSGI_VASSAL_PID:-none}:$UWSGI_VASSAL_UID:$UWSGI_VASSAL_GID in $PWD"
	e := w.start(allNamespaces, "--exec-as-emperor-before-vassal", "echo before sees "+say,
		"--exec-as-emperor", "echo emperor sees "+say, "--exec-as-vassal", "echo vassal sees "+say)
	w.write("a.ini", ini(serves))
	if err := os.Chown(w.path("a.ini"), 4001, 4002); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(w.path("a.ini"), filepath.Join(w.vassals, "a.ini")); err != nil {
		t.Fatal(err)
	}
	pid := strconv.Itoa(e.running("a.ini"))
	for hook, pid := range map[string]string{"before": "none", "emperor": pid, "vassal": pid} {
		want := fmt.Sprintf("%s sees a.ini:%s:4001:4002 in %s", hook, pid, w.vassals)
		if said := e.await("a.ini", hook+" sees").Msg; !strings.Contains(said, want) {
			t.Errorf("%q, want %q", said, want)
		}
	}
}

func TestSlowHookDelaysItsOwnVassal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("slow.ini", serves)
	for i := range 5 {
		w.vassal(fmt.Sprintf("quick%d.ini", i), serves)
	}
	e := w.start(allNamespaces, "--emperor-concurrency", "1", "--exec-as-emperor", "test $UWSGI_VASSAL_CONFIG != slow.ini || until test -e "+w.path("over")+"; do sleep 0.1; done")
	for i := range 5 {
		e.running(fmt.Sprintf("quick%d.ini", i))
	}
	e.vassal("late.ini", serves)
	e.running("late.ini")
	e.remove("late.ini")
	e.gone("late.ini")
	if e.count("slow.ini", "-> running") > 0 {
		t.Error("the slow vassal did not wait for its hook")
	}
	w.write("over", "")
	e.running("slow.ini")
}

func TestFailingHooks(t *testing.T) {
	t.Parallel()
	t.Run("as-emperor is not fatal", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.vassal("a.ini", serves)
		e := w.start(allNamespaces, "--exec-as-emperor", "exit 3", "--exec-as-emperor", "echo the next one")
		failed := e.await("a.ini", "hook failed")
		if failed.Hook != "as-emperor" || failed.Error != "exit status 3" {
			t.Errorf("the log says %s", failed.raw)
		}
		e.await("a.ini", "the next one")
		e.running("a.ini")
	})
	t.Run("before the vassal it cancels the launch", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.vassal("a.ini", serves)
		e := w.start(allNamespaces, "--exec-as-emperor-before-vassal", "test -e "+w.path("allowed"), "--exec-as-emperor", "echo cloned")
		e.await("a.ini", "cannot launch")
		e.await("a.ini", "-> backoff")
		if e.count("a.ini", "cloned") > 0 {
			t.Error("it was cloned all the same")
		}
		w.write("allowed", "")
		e.running("a.ini")
	})
	t.Run("as-vassal is fatal", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.vassal("a.ini", "exec-as-root = echo booted", serves)
		e := w.start(allNamespaces, "--exec-as-vassal", "exit 7", "--exec-as-vassal", "echo the next one")
		e.await("a.ini", "hook as-vassal #1 (exec: exit 7): exit status 7")
		e.await("a.ini", "-> backoff")
		if e.count("a.ini", "the next one") > 0 || e.count("a.ini", "booted") > 0 {
			t.Errorf("the boot went on:\n%s", e.tail())
		}
	})
}

// The as-vassal hook is the first program in the new namespaces.
func TestAsVassalHookRunsInside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "exec-as-root = echo then the vassal", serves)
	e := w.start(allNamespaces, "--exec-as-vassal", "echo in $(readlink /proc/self/ns/net) as $(ls -d /proc/[0-9]* | wc -l) of few")
	said := e.await("a.ini", "in net:").Msg
	e.await("a.ini", "then the vassal")
	pid := e.running("a.ini")
	if want := "in " + namespace(t, pid, "net"); !strings.Contains(said, want) {
		t.Errorf("the hook ran %q, want %q", said, want)
	}
	for _, which := range []string{"pid", "uts", "net", "ipc", "mnt"} {
		if namespace(t, pid, which) == namespace(t, e.pid(), which) {
			t.Errorf("the vassal shares its %s namespace with the emperor", which)
		}
	}
	if n := in(t, pid, "ls -d /proc/[0-9]* | wc -l"); len(n) > 1 {
		t.Errorf("its /proc shows %s processes", n)
	}
}

// Mounts of a vassal do not reach the host, and a vassal does not keep a mount that the host
// unmounts.
func TestMountsOfAVassalAreItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("mkdir " + w.path("m") + " && mount -t tmpfs of-the-host " + w.path("m"))
	before := w.snapshot()["mounts"]
	w.vassal("a.ini", "exec-as-root = mount -t tmpfs of-the-vassal /srv", serves)
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	if mounts := in(t, pid, "cat /proc/self/mountinfo"); !strings.Contains(mounts, "of-the-vassal") || !strings.Contains(mounts, "of-the-host") {
		t.Errorf("the vassal sees\n%s", mounts)
	}
	if now := w.snapshot()["mounts"]; !slices.Equal(now, before) {
		t.Errorf("the host sees\n%s\nand before\n%s", strings.Join(now, "\n"), strings.Join(before, "\n"))
	}
	w.run("umount " + w.path("m"))
	if mounts := in(t, pid, "cat /proc/self/mountinfo"); strings.Contains(mounts, "of-the-host") {
		t.Errorf("the vassal holds what the host has unmounted:\n%s", mounts)
	}
}

func TestFloodingHook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	e := w.start(allNamespaces, "--exec-as-emperor", "head -c 30000000 /dev/zero | tr '\\0' x | fold -w 1000; echo >&2; echo the end of the flood")
	e.running("a.ini")
	if n := e.count("a.ini", "xxxx"); n == 0 || n > 2000 {
		t.Errorf("%d lines of the flood are in the log, want some and not all", n)
	}
}

func TestDaemonisingHook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	e := w.start(allNamespaces, "--exec-as-emperor", "setsid sh -c 'until test -e "+w.path("over")+"; do sleep 0.1; done' & echo left it behind")
	e.await("a.ini", "left it behind")
	e.running("a.ini")
	w.write("over", "")
}

func TestTimeoutKillsTheProcessGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	e := w.start(allNamespaces, "--emperor-hook-timeout", "1", "--exec-as-emperor", "sleep 987654 & sleep 987654")
	failed := e.await("a.ini", "hook failed")
	if failed.Error != "timed out after 1s" {
		t.Errorf("the log says %s", failed.raw)
	}
	e.running("a.ini")
	eventually(t, "the whole group of the hook is dead", func() bool {
		return !slices.ContainsFunc(w.processes(), func(p string) bool { return strings.Contains(p, " sleep 987654") && !strings.Contains(p, "emperor") })
	})
}
