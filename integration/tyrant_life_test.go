//go:build linux

package integration

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// status4001 are the ids of a process of the tenant 4001.
const status4001 = "4001 4001 4001 4001"

// TestTenantReloads: edits of a tenant take effect in the running process where they can, and with a new
// one where they must; a mistake keeps the old one; after a crash it is launched again.
func TestTenantReloads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	serve := func(text string, more ...string) []string {
		return append(more, "command = sh -c 'echo "+text+" $(id -u); exec sleep 1000000'")
	}
	w.write("template.ini", ini("exec-as-root = echo root hook as $(id -u)", "limit-nofile = 200:400"))
	w.tenant("a.ini", 4001, serve("first")...)
	e := w.start(w.tyrant("--vassals-include", w.path("template.ini"))...)
	pid := e.running("a.ini")
	e.await("a.ini", "first 4001")
	w.tenant("a.ini", 4001, serve("second", "env = A=1")...)
	e.await("a.ini", "second 4001")
	if now := e.running("a.ini"); now != pid {
		t.Errorf("the reload takes a new process, %d after %d", now, pid)
	}
	w.tenant("a.ini", 4001, serve("bad", "exec-as-root = id")...)
	e.await("a.ini", "exec-as-root: not permitted in a tenant's own file")
	e.undisturbed("a.ini", pid)
	w.tenant("a.ini", 4001, serve("third", "limit-nofile = 100")...)
	e.await("a.ini", "third 4001")
	next := e.running("a.ini")
	if next == pid || line(w.run(fmt.Sprintf("cat /proc/%d/status", next)), "Uid:") != status4001 {
		t.Errorf("the process %d follows %d", next, pid)
	}
	if limit := line(w.run(fmt.Sprintf("cat /proc/%d/limits", next)), "Max open files"); limit != "100 100 files" {
		t.Errorf("the limit is %s", limit)
	}
	if err := syscall.Kill(next, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	e.await("a.ini", "third 4001")
	last := e.running("a.ini")
	if e.count("a.ini", "root hook as 0") != 3 {
		t.Errorf("the operator's hook has not run once in each process:\n%s", e.about("a.ini"))
	}
	if line(w.run(fmt.Sprintf("cat /proc/%d/status", last)), "Uid:") != status4001 {
		t.Error("after a crash it is another user")
	}
}

// TestTenantFallsBack: the fallback of the operator's template runs as the tenant, whether the vassal fails
// before the drop or after it; a link of the tenant in its place leads to nothing of root's.
func TestTenantFallsBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		template, own string
	}{
		"after the drop":  {"", "exec-as-user = exit 3"},
		"a failed read":   {"", "ini = /no/such.ini"},
		"before the drop": {"exec-as-root = test -e %p || exit 3\nexec-as-root = test ! -e " + "SWITCH" + " && touch SWITCH && exit 3; true", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.write("safe.ini", ini("command = sh -c 'echo safe $(id -u); exec sleep 1000000'"))
			w.write("template.ini", ini("fallback-config = "+w.path("safe.ini"), strings.ReplaceAll(c.template, "SWITCH", w.path("switch"))))
			w.tenant("a.ini", 4001, c.own, serves)
			e := w.start(w.tyrant("--vassals-include", w.path("template.ini"))...)
			pid := e.running("a.ini")
			e.await("a.ini", "safe 4001")
			for _, p := range append(children(pid), pid) {
				if uid := line(w.run(fmt.Sprintf("cat /proc/%d/status", p)), "Uid:"); uid != status4001 {
					t.Errorf("process %d has the ids %s", p, uid)
				}
			}
		})
	}
	t.Run("a link", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.write("secret", "secret-of-root\n")
		w.run("chmod 600 " + w.path("secret") + "; ln -s " + w.path("secret") + " " + w.path("s/safe.ini"))
		w.write("template.ini", ini("fallback-config = "+w.path("s/safe.ini"), "exec-as-root = exit 3"))
		w.tenant("a.ini", 4001, serves)
		e := w.start(w.tyrant("--vassals-include", w.path("template.ini"))...)
		e.await("a.ini", "settled -> backoff")
		if e.count("a.ini", "secret-of-root")+e.count("a.ini", "-> running") > 0 {
			t.Errorf("it has read the file of root:\n%s", e.tail())
		}
	})
}

// TestTenantOnDemand: the first connection to a socket in the tenant's directory starts the vassal as the
// tenant; a port of the host, or a directory of another user, is refused.
func TestTenantOnDemand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("mkdir " + w.path("home") + " && chown 4001 " + w.path("home"))
	for name, address := range map[string]string{"a": w.path("home/socket"), "port": "127.0.0.1:8080", "other": w.path("s/socket")} {
		w.tenant(name+".ini", 4001, "command = sh -c 'id -u; exec sleep 1000000'")
		w.owned(w.vassals+"/"+name+".ini.socket", 4001, address)
	}
	e := w.start(w.tyrant("--emperor-on-demand-extension", ".socket")...)
	e.await("port.ini", "in tyrant mode a tenant's socket is a path in a directory of the tenant")
	e.await("other.ini", "its directory belongs to uid 0, and uid 4001 named it")
	e.await("a.ini", "-> waiting")
	eventually(t, "its socket is there", func() bool { _, err := os.Stat(w.path("home/socket")); return err == nil })
	w.run("socat -u /dev/null UNIX-CONNECT:" + w.path("home/socket") + " || python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"" + w.path("home/socket") + "\")'")
	pid := e.running("a.ini")
	e.await("a.ini", "4001")
	if uid := line(w.run(fmt.Sprintf("cat /proc/%d/status", pid)), "Uid:"); uid != status4001 {
		t.Errorf("its ids are %s", uid)
	}
}

// TestTenantsTerminal: a tenant's vassal can have a terminal, and its client is in the first worker.
func TestTenantsTerminal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenant("a.ini", 4001, "pty-socket = "+w.path("s/pty"), "pty-exec = sh -c 'id -u; exec cat'", serves)
	e := w.start(w.tyrant()...)
	e.running("a.ini")
	s := sit(t, w.inside(program("emperor"), "attach", "a"))
	s.expect("4001")
}

// TestTenantsUwsgi: a real uWSGI in place of the vassal is the tenant, under the restrictions of the operator,
// and reloads; a program that the tenant may not execute is not executed as root.
func TestTenantsUwsgi(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("cp /bin/true " + w.path("roots") + " && chmod 700 " + w.path("roots"))
	w.write("template.ini", ini("tasks-max = 100"))
	w.tenant("a.ini", 4001, "socket = 127.0.0.1:0", "master = true", "procname-master = first", "uid = 0", "exec-as-root = touch "+w.path("s/x"), "memory-max = 100m")
	w.tenant("b.ini", 4002, "socket = 127.0.0.1:0", "cgroup-opt = cpuset.cpus=0")
	e := w.start(w.tyrant("--vassals-include", w.path("template.ini"), "--emperor-wrapper-override", w.path("roots"), "--emperor-wrapper", uwsgi)...)
	pid := e.running("a.ini")
	e.await("b.ini", "cgroup-opt: not permitted in a tenant's own file")
	for _, p := range append(children(pid), pid) {
		text := w.run(fmt.Sprintf("cat /proc/%d/status", p))
		for name, want := range map[string]string{"Uid:": status4001, "Groups:": "4001", "NoNewPrivs:": "1", "Seccomp:": "2", "CapEff:": noCapabilities, "CapBnd:": noCapabilities} {
			if got := line(text, name); got != want {
				t.Errorf("process %d: %s %q, want %q", p, name, got, want)
			}
		}
	}
	if exe := w.run(fmt.Sprintf("readlink /proc/%d/exe", pid)); !strings.Contains(exe, "uwsgi") {
		t.Errorf("it executes %s", exe)
	}
	w.tenant("a.ini", 4001, "socket = 127.0.0.1:0", "master = true", "procname-master = second")
	e.await("a.ini", "gracefully (RE)spawned uWSGI master process")
	if found := w.run("ls " + w.path("s")); found != "" {
		t.Errorf("there is %s", found)
	}
}
