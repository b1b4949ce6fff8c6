//go:build linux

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// nameserver knows the address of example.org, and no other name. Its argument is its address.
const nameserver = `
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 53))
print("ready", flush=True)
while True:
    q, who = s.recvfrom(4096)
    end = q.index(b"\0", 12) + 5
    known = q[12:end - 4] == b"\7example\3org\0"
    a = b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4\xc0\0\2\x50" if known and q[end - 4:end - 2] == b"\0\1" else b""
    s.sendto(q[:2] + (b"\x81\x80" if known else b"\x81\x83") + b"\0\1" + struct.pack(">H", 1 if a else 0) + b"\0\0\0\0" + q[12:end] + a, who)
`

// resolves gives the world a resolver file, for the time of the story.
func (w *world) resolves(text string) {
	w.t.Helper()
	w.write("resolv.conf", text)
	w.run("mount --bind " + w.path("resolv.conf") + " /etc/resolv.conf")
	w.t.Cleanup(func() { w.run("umount /etc/resolv.conf") })
}

// nameserver starts the nameserver at an address of the world, for the time of the story.
func (w *world) nameserver(address string) {
	w.t.Helper()
	server := w.inside("python3", "-c", nameserver, address)
	out, err := server.StdoutPipe()
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	if _, err := out.Read(make([]byte, 10)); err != nil {
		w.t.Fatal(err)
	}
}

// responder returns the pid of the process that answers names. Zero: there is none.
func (e *emperor) responder() int {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", e.cmd.Process.Pid))
	for _, file := range tasks {
		for _, pid := range strings.Fields(strings.Join(lines(file), " ")) {
			if name := lines("/proc/" + pid + "/comm"); len(name) > 0 && name[0] == "emperor-dns" {
				n, _ := strconv.Atoi(pid)
				return n
			}
		}
	}
	return 0
}

// With emperor-network-dns = forward vassals ask the emperor, which asks the nameservers of the host, whether vassals can reach these or not.
func TestForwardedNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("ip address add 192.0.2.53/32 dev lo")
	w.resolves("nameserver 192.0.2.53\n")
	w.nameserver("192.0.2.53")
	w.vassal("a.ini", serves)
	e := w.start(allNamespaces, "--emperor-network", "routed", "--emperor-network-pool", "10.9.0.0/24", "--emperor-network-dns", "forward")
	pid := e.running("a.ini")
	if got := in(t, pid, "grep -v '^#' /etc/resolv.conf"); got != "nameserver 10.9.0.1" {
		t.Errorf("the resolver file is %q", got)
	}
	for name, want := range map[string]string{"example.org": "192.0.2.80", "host.emperor.internal": "10.9.0.1", "nothing.example.org": ""} {
		if got := in(t, pid, "getent ahostsv4 "+name+" | awk '{print $1; exit}'"); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	e.stop(syscall.SIGTERM)
}

// On a host whose nameserver is the stub of systemd-resolved, without another one behind it,
// vassals ask the emperor for every name: of vassals that let them in, of the host and of others.
func TestNamesOfVassals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.resolves("nameserver 127.0.0.53\nsearch lan\noptions edns0 trust-ad\n")
	w.nameserver("127.0.0.53")
	w.vassal("shop.ini", "network-allow = blog.ini", serves)
	w.vassal("blog.ini", serves)
	w.vassal("mail.ini", "network-dns = names", serves)
	w.vassal("none.ini", "network-dns = off", serves)
	e := w.start(allNamespaces, "--emperor-network", "routed", "--emperor-network-pool", "10.9.0.0/24")
	e.await("", "the emperor passes their questions on")
	shop, blog, mail, none := e.running("shop.ini"), e.running("blog.ini"), e.running("mail.ini"), e.running("none.ini")
	address := in(t, shop, "hostname -I 2>/dev/null || ip -4 -o address show eth0 | awk '{print $4}' | cut -d/ -f1")
	address = strings.Fields(address)[0]
	ask := func(pid int, name string) string {
		return in(t, pid, "getent ahostsv4 "+name+" | awk '{print $1; exit}'")
	}
	for _, c := range []struct {
		pid        int
		name, want string
	}{
		{blog, "shop.emperor.internal", address},
		{blog, "shop.ini.emperor.internal", address},
		{blog, "mail.emperor.internal", ""},
		{blog, "host.emperor.internal", "10.9.0.1"},
		{blog, "example.org", "192.0.2.80"},
		{shop, "shop.emperor.internal", address},
		{shop, "blog.emperor.internal", ""},
		{mail, "shop.emperor.internal", ""},
		{mail, "host.emperor.internal", "10.9.0.1"},
		{mail, "localhost", "127.0.0.1"},
	} {
		if got := ask(c.pid, c.name); got != c.want {
			t.Errorf("%d asks for %s: %q, want %q", c.pid, c.name, got, c.want)
		}
	}
	if got := in(t, blog, "grep -v '^#' /etc/resolv.conf"); got != "nameserver 10.9.0.1\nsearch lan\noptions edns0" {
		t.Errorf("the resolver file is %q", got)
	}
	if got := in(t, none, "cat /etc/resolv.conf"); !strings.Contains(got, "127.0.0.53") {
		t.Errorf("a vassal with network-dns = off reads %q", got)
	}
	if got := in(t, blog, "echo x >>/etc/hosts; cat /etc/hosts"); strings.Contains(got, "\nx") || !strings.Contains(got, "blog.ini.emperor.internal blog.emperor.internal") {
		t.Errorf("the file of host names is %q", got)
	}

	// It is live: who may reach a vassal may find it.
	w.vassal("shop.ini", "network-allow = blog.ini", "network-allow = mail.ini", serves)
	eventually(t, "mail finds shop", func() bool { return ask(mail, "shop.emperor.internal") == address })
	e.undisturbed("shop.ini", shop)

	// A vassal that is gone has no name, and no files.
	w.remove("shop.ini")
	eventually(t, "blog does not find shop", func() bool { return ask(blog, "shop.emperor.internal") == "" })
	if left := w.run("ls /run/emperor/names/files | wc -l"); left != "2" {
		t.Errorf("%s directories of files are left", left)
	}

	// The responder is started again when it was killed, and ends with the emperor.
	first := e.responder()
	if first == 0 {
		t.Fatal("there is no responder")
	}
	_ = syscall.Kill(first, syscall.SIGKILL)
	eventually(t, "another responder answers", func() bool {
		pid := e.responder()
		return pid != 0 && pid != first && ask(blog, "blog.emperor.internal") != "" && ask(blog, "example.org") == "192.0.2.80"
	})
	second := e.responder()
	if err := e.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the responder has ended", func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/%d", second))
		return os.IsNotExist(err)
	})
	w.start(allNamespaces, "--emperor-network", "routed", "--emperor-network-pool", "10.9.0.0/24").running("blog.ini")
}

// A host with a nameserver that vassals reach needs no responder. Without mount namespaces the
// vassals read the host's files.
func TestNameserversOfTheHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.resolves("nameserver 127.0.0.53\nnameserver 192.0.2.53\n")
	w.vassal("a.ini", serves)
	e := w.start(allNamespaces, "--emperor-network", "routed")
	pid := e.running("a.ini")
	if got := in(t, pid, "grep -v '^#' /etc/resolv.conf"); got != "nameserver 192.0.2.53" {
		t.Errorf("the resolver file is %q", got)
	}
	if n := e.responder(); n != 0 {
		t.Errorf("there is a responder: %d", n)
	}
	e.stop(syscall.SIGTERM)
	e.wait()
	plain := w.start("--emperor-use-clone", "pid,uts,net,ipc", "--emperor-network", "routed")
	plain.await("", "vassals read the host's resolver file")
	plain.running("a.ini")
}

// Behind the stub of systemd-resolved are the nameservers that vassals ask; a change of them reaches
// vassals that run.
func TestNameserversBehindTheStub(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.resolves("nameserver 127.0.0.53\n")
	upstream := func(address string) {
		w.run("mkdir -p /run/systemd/resolve && echo nameserver " + address + " >/run/systemd/resolve/resolv.conf")
	}
	upstream("192.0.2.54")
	t.Cleanup(func() {
		w.run("rm /run/systemd/resolve/resolv.conf; rmdir -p /run/systemd/resolve 2>/dev/null || true")
	})
	w.vassal("a.ini", serves)
	e := w.start(allNamespaces, "--emperor-network", "routed")
	pid := e.running("a.ini")
	asks := func() string { return in(t, pid, "grep -v '^#' /etc/resolv.conf") }
	if got := asks(); got != "nameserver 192.0.2.54" {
		t.Errorf("the resolver file is %q", got)
	}
	if n := e.responder(); n != 0 {
		t.Errorf("there is a responder: %d", n)
	}
	upstream("192.0.2.55")
	eventually(t, "the vassal has the other nameserver", func() bool { return asks() == "nameserver 192.0.2.55" })
	e.undisturbed("a.ini", pid)
	e.stop(syscall.SIGTERM)
}
