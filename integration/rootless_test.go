//go:build linux

package integration

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// An ordinary user runs an emperor with user namespaces: root in a vassal is that user, with a network and a view of the file
// system of its own, and no right over the host.
func TestRootless(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run(fmt.Sprintf("mkdir -p %[1]s/home /run/user/4001 && chown 4001:4001 %[1]s/home /run/user/4001 && chmod 700 /run/user/4001", filesAt))
	w.vassal("a.ini", "hook-as-root = hostname:%n", "private-tmp = true", "private-devices = true", "protect-system = strict", "protect-proc = invisible",
		"read-write-paths = "+filesAt+"/home", "inaccessible-paths = /etc/passwd-", "no-new-privileges = true", "system-call-filter = default",
		"command = sh -c 'id -u; uname -n; ls /sys/class/net | xargs; cat /etc/shadow; touch /etc/x; touch "+filesAt+"/home/mine /tmp/mine && ls /tmp; exec sleep 1000000'")
	e := w.launch(w.asUser("--emperor-use-clone=pid,uts,net,ipc,fs,user", "--runtime-dir=/run/user/4001/emperor", w.vassals))
	pid := e.running("a.ini")
	for _, text := range []string{`"0"`, `"a"`, `"lo"`, "/etc/shadow: Permission denied", "'/etc/x': Read-only file system", `"mine"`} {
		e.await("a.ini", text)
	}
	if uid := line(w.run(fmt.Sprintf("cat /proc/%d/status", pid)), "Uid:"); uid != "4001 4001 4001 4001" {
		t.Errorf("its ids on the host are %s", uid)
	}
	var st syscall.Stat_t
	if err := syscall.Stat(fmt.Sprintf("/proc/%d/root%s/home/mine", pid, filesAt), &st); err != nil || st.Uid != 4001 {
		t.Errorf("its file belongs to %d: %v", st.Uid, err)
	}
	if _, err := os.Stat("/tmp/mine"); err == nil {
		t.Error("its temporary file is the host's")
	}
	enter := w.inside("setpriv", "--reuid=4001", "--regid=4001", "--clear-groups", "env", "EMPEROR_RUNTIME_DIR=/run/user/4001/emperor", w.path("bin/emperor"), "enter", "a", "sh", "-c", "id -u; cat /tmp/mine && touch /tmp/entered && ls /tmp | xargs")
	if out := output(t, enter); !strings.Contains(out, "0\nentered mine") {
		t.Errorf("entered: %q", out)
	}
	e.stop(syscall.SIGTERM)
	w.run("rm -rf " + filesAt + " /run/user")
}

// newuidmap gives the emperor of a user the ids of /etc/subuid: it is root of a user namespace with many users, in which vassals have users and
// ranges of their own, and all of them are ids of that user on the host.
func TestRootlessUsers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("sub", "vassal001:2000000:1000000\n")
	w.run("mount --bind " + w.path("sub") + " /etc/subuid && mount --bind " + w.path("sub") + " /etc/subgid && mkdir -p /run/user/4001 && chown 4001:4001 /run/user/4001 " + w.vassals)
	program := w.programs("bin", 0o755) + "/emperor"
	start := func(args ...string) *emperor {
		all := append([]string{
			"--reuid=4001", "--regid=4001", "--clear-groups", "unshare", "--user", "--map-root-user", "--map-auto", "--mount", program,
			"--emperor-log-format", "json", "--runtime-dir=/run/user/4001/emperor", "--state-dir=/run/user/4001/state",
		}, args...)
		return w.launch(w.inside("setpriv", append(all, w.vassals)...))
	}
	w.owned(w.vassals+"/a.ini", 4001, ini("uid = 33", "gid = 33", "command = sh -c 'id -u; exec sleep 1000000'"))
	e := start("--emperor-use-clone=pid,uts,net,ipc,fs")
	pid := e.running("a.ini")
	e.await("a.ini", `"msg":"33"`)
	if uid := line(w.run(fmt.Sprintf("cat /proc/%d/status", pid)), "Uid:"); uid != "2000032 2000032 2000032 2000032" {
		t.Errorf("its ids on the host are %s", uid)
	}
	e.stop(syscall.SIGTERM)
	e = start("--emperor-use-clone=pid,uts,net,ipc,fs,user,cgroup", "--emperor-id-range=65536:65536:10")
	pid = e.running("a.ini")
	e.await("a.ini", `"msg":"33"`)
	// Uid 33 is 65536+33 of the emperor's namespace, whose uid 1 is 2000000.
	if uid := line(w.run(fmt.Sprintf("cat /proc/%d/status", pid)), "Uid:"); !strings.HasPrefix(uid, "2065568 ") {
		t.Errorf("with ranges its ids on the host are %s", uid)
	}
	e.stop(syscall.SIGTERM)
	w.run("umount /etc/subuid /etc/subgid; rm -rf /run/user")
}

// A hook gives a vassal of an ordinary user's emperor a network by slirp4netns, which ends with the vassal.
func TestRootlessNetwork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("mkdir -p /run/user/4001 && chown 4001:4001 /run/user/4001 && mknod -m 666 /run/tun c 10 200 && mount --bind /run/tun /dev/net/tun")
	w.write("s/page", "a page\n")
	w.holding("cd " + w.path("s") + " && exec /usr/bin/python3 -u -m http.server --bind 127.0.0.1 7000 2>&1")
	w.vassal("a.ini", "wait-for-interface = tap0", "command = sh -c 'curl -sS --retry 5 --retry-all-errors http://10.0.2.2:7000/page; exec sleep 1000000'")
	e := w.launch(w.asUser("--emperor-use-clone=pid,uts,net,ipc,fs,user", "--runtime-dir=/run/user/4001/emperor", "--exec-as-emperor",
		"(slirp4netns --configure --mtu=65520 $UWSGI_VASSAL_PID tap0 & tail --pid=$UWSGI_VASSAL_PID -f /dev/null; kill $!) >/dev/null 2>&1 &", w.vassals))
	pid := e.running("a.ini")
	e.await("a.ini", `"msg":"a page"`)
	slirp := fmt.Sprintf("slirp4netns --configure --mtu=65520 %d tap0", pid)
	if len(w.processesOf(slirp)) == 0 {
		t.Errorf("there is no %q", slirp)
	}
	e.stop(syscall.SIGTERM)
	eventually(t, "slirp4netns ends", func() bool { return len(w.processesOf(slirp)) == 0 })
	// A process that ends has no command line before its descriptors are closed.
	eventually(t, "nothing holds the device", func() bool { return strings.HasSuffix(w.run("umount /dev/net/tun && echo done || true"), "done") })
	w.run("rm -rf /run/user /run/tun")
}
