//go:build linux

package integration

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// A vassal joins the namespaces of another one, and follows it into the next ones. It keeps its own user, and the namespaces that it
// wants for itself.
func TestSetns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.path("s")
	w.run("mkdir " + w.path("m"))
	w.vassal("a.ini", "hook-as-root = hostname:inside", "exec-as-root = mount -t tmpfs -o mode=755 tmpfs "+w.path("m")+" && echo a >"+w.path("m/file"), "uid = 4001", "gid = 4001", "setns-socket = "+at+"/a", serves)
	w.vassal("b.ini", "setns = "+at+"/a", "uid = 4002", "gid = 4002", "command = sh -c 'uname -n; cat "+w.path("m/file")+"; pwd; grep CapEff /proc/self/status; exec sleep 1000000'")
	w.vassal("c.ini", "setns = "+at+"/a", "unshare = fs,pid", "private-tmp = true", "uid = 4002", "gid = 4002", "command = sh -c 'uname -n; ls -A /tmp; exec sleep 1000000'")
	w.vassal("d.ini", "setns = "+at+"/a", "private-tmp = true", serves)
	e := w.start(allNamespaces)
	a, b, c := e.running("a.ini"), e.running("b.ini"), e.running("c.ini")
	for _, text := range []string{`"msg":"inside"`, `"msg":"a"`, `"msg":"CapEff:\t0000000000000000"`} {
		e.await("b.ini", text)
	}
	e.await("c.ini", `"msg":"inside"`)
	e.await("d.ini", "d.ini:2: setns: "+at+"/a: options about files need mounts of the vassal's own (unshare = fs, or setns-socket-skip = mnt there)")
	for _, kind := range []string{"cgroup", "ipc", "mnt", "net", "pid", "uts"} {
		if namespace(t, a, kind) != namespace(t, b, kind) {
			t.Errorf("b has another %s namespace", kind)
		}
		if own := kind == "mnt" || kind == "pid"; own == (namespace(t, a, kind) == namespace(t, c, kind)) {
			t.Errorf("c has its own %s namespace: %v", kind, !own)
		}
	}
	if got := w.run(fmt.Sprintf("readlink /proc/%d/cwd", b)); strings.Contains(got, "unreachable") {
		t.Errorf("b is outside of its root directory: %s", got)
	}
	_ = syscall.Kill(a, syscall.SIGKILL) // process 1 of their pid namespace
	a, next := e.running("a.ini"), e.running("b.ini")
	if next == b || namespace(t, a, "net") != namespace(t, next, "net") {
		t.Error("b has not followed")
	}
	e.undisturbed("c.ini", c)
	e.stop(syscall.SIGTERM)
}

// A vassal joins the namespaces that a uWSGI gives out, without the host's among them.
func TestSetnsOfUwsgi(t *testing.T) {
	t.Parallel()
	needsUwsgi(t)
	w := newWorld(t)
	at := w.path("s")
	w.holding("unshare -n -u sh -c 'hostname ofuwsgi; exec " + uwsgi + " --master --setns-socket " + at + "/u --http-socket 127.0.0.1:7777 --pidfile " + at + "/pid' 2>&1 & " +
		"for i in $(seq 100); do test -S " + at + "/u && break; sleep 0.1; done; echo ready; wait")
	pid := w.run("cat " + at + "/pid")
	w.vassal("a.ini", "setns = "+at+"/u", "uid = 4001", "gid = 4001", "command = sh -c 'uname -n; exec sleep 1000000'")
	e := w.start(allNamespaces)
	a := e.running("a.ini")
	e.await("a.ini", `"msg":"ofuwsgi"`)
	for kind, joined := range map[string]bool{"net": true, "uts": true, "mnt": false, "pid": false, "ipc": false} {
		link := w.run(fmt.Sprintf("readlink /proc/%s/ns/%s", pid, kind))
		if (link == namespace(t, a, kind)) != joined {
			t.Errorf("its %s namespace is joined: %v", kind, !joined)
		}
	}
	e.stop(syscall.SIGTERM)
}

// givesOut is a process of another user that gives out descriptors.
const givesOut = `import os, socket, struct, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(8)
print("ready", flush=True)
while True:
    c, _ = s.accept()
    fds = [os.open(f, os.O_RDONLY) for f in sys.argv[2:]]
    socket.send_fds(c, [b"uwsgi-setns" + struct.pack("i", len(fds))], fds)
    c.close()
`

// Namespaces of other users, and files that are none, are not joined.
func TestSetnsIsSafe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.path("s")
	w.write("gives.py", givesOut)
	for name, command := range map[string]string{
		"theirs": "unshare -U -r -n -m /usr/bin/python3 " + w.path("gives.py") + " " + at + "/theirs /proc/self/ns/net /proc/self/ns/mnt",
		"files":  "/usr/bin/python3 " + w.path("gives.py") + " " + at + "/files /dev/null",
		"host":   "/usr/bin/python3 " + w.path("gives.py") + " " + at + "/host /proc/self/ns/net /proc/self/ns/mnt",
	} {
		w.run("chmod 755 " + w.path("gives.py"))
		w.holding("exec setpriv --reuid 4002 --regid 4002 --clear-groups " + command)
		w.vassal(name+".ini", "setns = "+at+"/"+name, "uid = 4001", "gid = 4001", serves)
	}
	w.vassal("missing.ini", "setns = "+at+"/missing", serves)
	w.write("more.inc", "[uwsgi]\nsetns = "+at+"/theirs\n")
	w.vassal("more.ini", "ini = "+w.path("more.inc"), serves)
	w.vassal("both.ini", "setns = "+at+"/theirs", "ns-net = blue", serves)
	e := w.start(allNamespaces)
	for name, text := range map[string]string{
		"theirs":  "theirs.ini:2: setns: cannot join namespaces at " + at + "/theirs: its net namespace was made by uid 4002",
		"files":   "a descriptor from there is no namespace",
		"host":    "only namespaces of the host are given out there",
		"missing": "missing.ini:2: setns: cannot join namespaces at " + at + "/missing: connect: no such file or directory",
		"more":    "more.inc:2: setns: the emperor cannot read it here, before the vassal starts",
		"both":    "both.ini:3: ns-net: the vassal has the network of setns (one of them)",
	} {
		e.await(name+".ini", text)
	}
	e.stop(syscall.SIGTERM)
}
