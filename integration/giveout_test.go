//go:build linux

package integration

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// The real uWSGI enters the namespaces of a vassal by its setns-socket, also when the vassal has dropped its privileges and has
// another root directory; other users cannot connect.
func TestNamespacesForUwsgi(t *testing.T) {
	t.Parallel()
	needsUwsgi(t)
	w := newWorld(t)
	at := w.distribution()
	w.run("mkdir -m 777 /run/shared " + at + "/run/ns")
	w.vassal("a.ini", "pivot_root = "+at, "private-devices = true", "bind-paths = /run/shared:/run/ns", "hook-as-root = hostname:inside", "uid = 4001", "gid = 4001", "setns-socket = /run/ns/socket", "setns-preopen = true", serves)
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	eventually(t, "the socket exists", func() bool { return w.run("stat -c '%a %u' /run/shared/socket 2>/dev/null || true") == "600 4001" })
	out := w.run(fmt.Sprintf("timeout 20 %s --setns /run/shared/socket --exec-asap 'true' --exec-as-root 'uname -n; cat /etc/name; ls -l /proc/self/ns/net; kill -INT $PPID; exit 1' --http-socket @x 2>&1 || true", uwsgi))
	net, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\ninside\n", "\ndistribution\n", net} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not among\n%s", want, out)
		}
	}
	if out := w.run("setpriv --reuid 4002 --regid 4002 --clear-groups timeout 5 curl -sS --unix-socket /run/shared/socket http://a 2>&1 || true"); !strings.Contains(out, "ould not connect") && !strings.Contains(out, "ailed to connect") {
		t.Errorf("another user: %s", out)
	}
	e.stop(syscall.SIGTERM)
	w.run("test ! -e /run/shared/socket && rmdir /run/shared")
}

// A vassal has the network namespace of ip-netns(8) that its file names, and keeps its other namespaces.
func TestNamedNetworkNamespace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("mkdir -p /run/netns && ip netns add blue && ip -n blue link add blue0 type veth peer name blue1 && ip -n blue addr add 10.9.8.7/24 dev blue0 && ip -n blue link set blue0 up && ip -n blue link set blue1 up && ip -n blue link set lo up")
	w.vassal("a.ini", "ns-net = blue", "unshare = uts,ipc", "uid = 4001", "gid = 4001", "http-socket = 10.9.8.7:8080", "command = sh -c 'ls /sys/class/net; exec sleep 1000000'")
	w.vassal("none.ini", "ns-net = red", serves)
	w.vassal("both.ini", "ns-net = blue", "network = routed", serves)
	w.vassal("less.ini", "unshare = user", serves)
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	e.await("a.ini", `"msg":"blue0"`)
	e.await("a.ini", `"msg":"blue1"`)
	e.await("none.ini", "none.ini:2: ns-net: cannot open /run/netns/red: no such file or directory")
	e.await("both.ini", "both.ini:3: network: ")
	e.await("less.ini", "less.ini:2: unshare: the vassal has no namespace of its own for user (user in emperor-use-clone)")
	if got := w.run(fmt.Sprintf("ip netns identify %d", pid)); got != "blue" {
		t.Errorf("the network namespace is %q", got)
	}
	w.remove("a.ini")
	e.gone("a.ini")
	e.stop(syscall.SIGTERM)
	if got := w.run("ip -n blue -br link show blue0"); !strings.Contains(got, "blue0") {
		t.Errorf("the link is %q", got)
	}
	w.run("ip netns delete blue && umount /run/netns 2>/dev/null; rm -rf /run/netns")
}
