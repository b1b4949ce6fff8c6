//go:build linux

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// rangeBase is the first id of vassals in these stories.
const rangeBase = 1000000

// ranged are the arguments of an emperor whose vassals have ids of their own.
func (w *world) ranged(args ...string) []string {
	return append([]string{allNamespaces + ",user,cgroup", fmt.Sprintf("--emperor-id-range=%d:65536", rangeBase), "--state-dir=" + w.path("state")}, args...)
}

// idRange returns the first host id of a vassal's user namespace.
func idRange(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/uid_map", pid))
	if err != nil {
		t.Fatal(err)
	}
	first, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		t.Fatal(err)
	}
	return first
}

// breakout is tried by root in a vassal. Each line is a name and a command that must fail.
const breakout = `
shadow cat /etc/shadow
passwd echo x:x:0:0::/:/bin/sh >>/etc/passwd
core_pattern echo '|/tmp/x' >/proc/sys/kernel/core_pattern
sysrq echo b >/proc/sysrq-trigger
modprobe echo /tmp/x >/proc/sys/kernel/modprobe
device mknod S/null c 1 3
kmsg echo x >/dev/kmsg
bind mkdir /etc/own
chown chown 0:0 S/roots
setuid S/setuid /etc/shadow
kill kill -9 EMPEROR
trace cat /proc/EMPEROR/environ
control curl -sf --unix-socket /run/emperor/control.sock http://e/v1/vassals
ledger ls /run/emperor/ledger
claims echo x >/run/emperor.claims
table cat BASE/state/id-ranges
cgroup mkdir -p S/c.$WHO && mount -t cgroup2 c S/c.$WHO && echo 1 >S/c.$WHO/pids.max
procs mkdir -p S/p.$WHO && mount -t cgroup2 c S/p.$WHO && echo $$ >S/p.$WHO/cgroup.procs
agent mkdir -p S/d.$WHO && mount -t cgroup -o memory v1 S/d.$WHO && echo /tmp/x >S/d.$WHO/release_agent
sysfs mkdir -p S/s.$WHO && mount -t sysfs s S/s.$WHO && echo 1 >S/s.$WHO/kernel/profiling
uevent mkdir -p S/s.$WHO && mount -t sysfs s S/s.$WHO; echo /tmp/x >S/s.$WHO/kernel/uevent_helper
ids echo '0 0 1' >/proc/self/uid_map
newuser unshare -U -r cat /etc/shadow
block mount /dev/vda /mnt
host nsenter -t 1 -m --root=/proc/1/root cat /etc/shadow
`

// Root in a vassal with an id range of its own has no rights over the host: neither as a root hook nor as
// a program that stays root.
func TestRootInsideIsNobodyOutside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shared := w.path("s")
	tool, err := os.ReadFile("/bin/cat")
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"setuid": 0o755 | os.ModeSetuid, "roots": 0o600} {
		if err := os.WriteFile(filepath.Join(shared, name), tool, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(shared, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	var script strings.Builder
	tries := 0
	fill := strings.NewReplacer("S/", shared+"/", "BASE/", w.base+"/")
	for line := range strings.Lines(strings.TrimSpace(breakout)) {
		name, command, _ := strings.Cut(strings.TrimSpace(line), " ")
		fmt.Fprintf(&script, "if (%s) >/dev/null 2>&1; then echo broken $WHO %s; fi\n", fill.Replace(command), name)
		tries++
	}
	fmt.Fprintf(&script, "cp /bin/true %s/made.$WHO && chmod 4755 %s/made.$WHO; id -u >&2; echo tried $WHO %d\n", shared, shared, tries)
	w.script(w.path("breakout"), "emperor=$(pgrep -o -x emperor || echo 99999999)\n"+strings.ReplaceAll(script.String(), "EMPEROR", "$emperor"))
	w.vassal("root.ini", "uid = root", "gid = root", "exec-as-root = WHO=hook sh "+w.path("breakout"),
		fmt.Sprintf("command = sh -c 'WHO=program sh %s; exec sleep 1000000'", w.path("breakout")))
	w.vassal("user.ini", "uid = 4001", "gid = 4001", fmt.Sprintf("command = sh -c 'WHO=user sh %s; exec sleep 1000000'", w.path("breakout")))
	e := w.start(w.ranged()...)
	for vassal, who := range map[string][]string{"root.ini": {"hook", "program"}, "user.ini": {"user"}} {
		e.running(vassal)
		for _, one := range who {
			e.await(vassal, fmt.Sprintf("tried %s %d", one, tries))
		}
		if about := e.about(vassal); strings.Contains(about, "broken") {
			t.Errorf("%s", about)
		}
	}
	first := idRange(t, e.attached("root"))
	for name, want := range map[string]int{"made.hook": first, "made.program": first, "made.user": 4001} {
		info, err := os.Stat(filepath.Join(shared, name))
		if err != nil {
			t.Fatal(err)
		}
		if owner := int(info.Sys().(*syscall.Stat_t).Uid); owner != want || info.Mode()&os.ModeSetuid == 0 {
			t.Errorf("%s belongs to %d with mode %v, not to %d", name, owner, info.Mode(), want)
		}
	}
}

// attached returns the first process of a vassal.
func (w *world) attached(name string) int { return w.attachment(name).PID }

// A vassal has its own range, the same again after restarts of both, its user's files and directories are its
// user's on the host, and programs that enter it have its ids.
func TestIDRanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	facts := "command = sh -c 'touch $RUNTIME_DIRECTORY/file " + w.path("s") + "/$0; exec sleep 1000000' %s"
	w.vassal("a.ini", "uid = vassal001", "gid = vassal001", "add-gid = friends", "runtime-directory = ranged-a", "limit-nofile = 100:200", fmt.Sprintf(facts, "a"))
	w.vassal("b.ini", "uid = daemon", "gid = daemon", "runtime-directory = ranged-b", fmt.Sprintf(facts, "b"))
	w.vassal("c.ini", "uid = root", "gid = root", serves)
	e := w.start(w.ranged()...)
	first := map[string]int{}
	for _, name := range []string{"a", "b", "c"} {
		e.running(name + ".ini")
		first[name] = idRange(t, w.attached(name))
	}
	if first["a"] == first["b"] || first["b"] == first["c"] || first["a"] == first["c"] {
		t.Errorf("the ranges are %v", first)
	}
	daemon := first["b"] + 1
	for path, want := range map[string]string{
		w.path("s/a"): "4001:4001", w.path("s/b"): fmt.Sprintf("%d:%d", daemon, daemon),
		"/run/ranged-a": "4001:4001", "/run/ranged-b": fmt.Sprintf("%d:%d", daemon, daemon), "/run/ranged-a/file": "4001:4001",
	} {
		eventually(t, path+" is there", func() bool { return w.run("stat -c %u:%g "+path+" 2>&1 || true") == want })
	}
	for name, want := range map[string]string{"a": "uid=4001(vassal001) gid=4001(vassal001) groups=4001(vassal001),4100(friends)", "b": "uid=1(daemon) gid=1(daemon) groups=1(daemon)"} {
		if out := w.succeed("enter", name, "id"); strings.TrimSpace(out) != want {
			t.Errorf("%s: %q", name, out)
		}
	}
	if out, code := w.command("enter", "--root", "a", "sh", "-c", "id -u; cat /etc/shadow"); code == 0 || !strings.Contains(out, "\n0\n") {
		t.Errorf("root enters with %d: %s", code, out)
	}
	_ = syscall.Kill(w.attached("a"), syscall.SIGKILL)
	e.await("a.ini", "signal: killed")
	w.succeed("start", "--wait", "a")
	if again := idRange(t, w.attached("a")); again != first["a"] {
		t.Errorf("a restart has the range %d, not %d", again, first["a"])
	}
	e.stop(syscall.SIGTERM)
	w.remove("a.ini")
	e = w.start(w.ranged()...)
	e.running("b.ini")
	if again := idRange(t, w.attached("b")); again != first["b"] {
		t.Errorf("a new emperor gives the range %d, not %d", again, first["b"])
	}
}

// Mistakes about ids have a line and a remedy, and no vassal starts without its ids.
func TestIDRangeMistakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct{ args, want string }{
		{"--emperor-use-clone=pid,user", "user: every id would stay itself, which confines nothing (emperor-id-range = 1000000:65536; user=identity keeps all ids)"},
		{"--emperor-use-clone=pid --emperor-id-range=1000000:65536", "vassals have no user namespace (user in emperor-use-clone)"},
		{"--emperor-use-clone=pid,user=identity --emperor-id-range=1000000:65536", "user=identity asks for no ranges"},
		{"--emperor-use-clone=pid,user --emperor-id-range=1000:65536", "ids from 1000 on belong to accounts of the host"},
		{"--emperor-use-clone=pid,user --emperor-id-range=4294900000:65536:2", "ends above 4294967294"},
		{"--emperor-use-clone=pid,user --emperor-id-range=auto --state-dir=" + w.path("state"), `no range for "emperor"`},
		{"--emperor-use-clone=pid,user --emperor-id-range=1000000:65536 --state-dir=" + w.path("s"), "other users can write to it"},
	} {
		out, err := w.inside(program("emperor"), append(strings.Fields(c.args), w.vassals)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: %v\n%s", c.args, err, out)
		}
	}
	w.write("more.ini", "[uwsgi]\nuid = 4001\ngid = 4001\n")
	w.vassal("hidden.ini", "ini = "+w.path("more.ini"), serves)
	state := "--state-dir=" + w.path("state")
	e := w.start(allNamespaces+",user", "--emperor-id-range=2000000000:65536:1", state)
	e.await("hidden.ini", "the emperor cannot read it here")
	e.stop(syscall.SIGTERM)
	w.remove("hidden.ini")
	w.vassal("one.ini", "uid = 4001", "gid = 4001", serves)
	w.vassal("two.ini", "uid = 4001", "gid = 4001", serves)
	e = w.start(allNamespaces+",user", "--emperor-id-range=3000000000:65536:1", state)
	starved := "one"
	eventually(t, "one of two has the range", func() bool {
		for _, name := range []string{"one", "two"} {
			if strings.Contains(e.about(name+".ini"), "none of 1 id ranges is free") {
				starved = name
				return true
			}
		}
		return false
	})
	w.remove(map[string]string{"one": "two", "two": "one"}[starved] + ".ini")
	e.running(starved + ".ini")
	if text, err := exec.Command("cat", w.path("state/id-ranges")).Output(); err != nil || strings.Count(string(text), "\n") != 2 || !strings.Contains(string(text), "3000000000 65536 0 "+strconv.Quote(filepath.Join(w.vassals, starved+".ini"))) {
		t.Errorf("%v: the table is\n%s", err, text)
	}
}

// TestOwnersOfUserNamespaces: the kernel counts inotify instances and the like of a vassal for the owner of its user namespace, which is its own
// root and not root of the host: a vassal cannot use up what root has.
func TestOwnersOfUserNamespaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "uid = 4001", "gid = 4001", serves)
	w.vassal("b.ini", "uid = root", serves)
	e := w.start(w.ranged()...)
	for _, name := range []string{"a.ini", "b.ini"} {
		pid := e.running(name)
		own, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", pid))
		if err != nil {
			t.Fatal(err)
		}
		owner, err := unix.IoctlGetUint32(int(own.Fd()), unix.NS_GET_OWNER_UID)
		own.Close()
		if root := idRange(t, pid); err != nil || int(owner) != root {
			t.Errorf("%s: uid %d owns its user namespace, in which root is uid %d; %v", name, owner, root, err)
		}
	}
}
