//go:build linux

package integration

import (
	"net/netip"
	"strings"
	"testing"
)

// Vassals on a bridge that the emperor makes are reached by the host and at published ports, also
// after a change of the file, and not by each other. A killed emperor leaves nothing behind.
func TestBridgedNetwork(t *testing.T) {
	t.Parallel()
	w, far := networked(t)
	w.run("for f in /proc/sys/net/bridge/bridge-nf-call-ip*; do [ ! -e $f ] || echo 0 >$f; done")
	host := w.holder.Process.Pid
	const snapshot = "ip -4 -o address; ip -6 -o address show scope global; ip route show table all | grep -v fe80; nft list ruleset"
	before := w.run(snapshot)
	args := []string{allNamespaces, "--emperor-network", "bridge", "--emperor-network-bridge", "br-vassals 10.143.0.0/24 fd12:3456:789b::/64", "--emperor-network-pool", "10.142.0.0/19"}
	w.site("shop.ini", "network-publish = 8001:8080")
	w.site("other.ini")
	e := w.start(args...)
	pid, other := e.running("shop.ini"), e.running("other.ini")
	a := w.attachment("shop")
	if len(a.Network.Addresses) != 2 || !netip.MustParsePrefix("10.143.0.0/24").Contains(a.Network.Addresses[0]) {
		t.Fatalf("its addresses are %v", a.Network.Addresses)
	}
	direct := netip.AddrPortFrom(a.Network.Addresses[0], 8080).String()
	for _, c := range []struct {
		what string
		from int
		to   string
		want bool
	}{
		{"the host by its address", host, direct, true},
		{"the host by IPv6", host, netip.AddrPortFrom(a.Network.Addresses[1], 8080).String(), true},
		{"another host by the published port", far, "198.18.0.1:8001", true},
		{"a neighbour by its address", other, direct, false},
		{"a neighbour by the published port", other, "198.18.0.1:8001", true},
	} {
		if got := browse(c.from, c.to); (got != "") != c.want {
			t.Errorf("%s: %q", c.what, got)
		}
	}
	w.site("shop.ini", "network-publish = 8002:8080")
	eventually(t, "the other port is published", func() bool { return browse(far, "198.18.0.1:8002") != "" && browse(far, "198.18.0.1:8001") == "" })
	e.undisturbed("shop.ini", pid)
	if err := e.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	e.wait()
	e = w.start(args...)
	e.running("shop.ini")
	e.running("other.ini")
	e.end()
	if after := w.run(snapshot); after != before {
		t.Errorf("the host was\n%s\nand is\n%s", before, after)
	}
}

// A vassal with an interface on top of the uplink is a host of that network.
func TestMacvlanNetwork(t *testing.T) {
	t.Parallel()
	w, far := networked(t)
	w.run("ip address add 192.168.77.1/24 dev up0")
	inNetwork(t, far, "ip address add 192.168.77.2/24 dev out0")
	w.site("shop.ini", "network = macvlan:up0", "network-address = 192.168.77.7")
	w.resolves("nameserver 192.168.77.2\n")
	e := w.start(allNamespaces, "--emperor-network", "none", "--emperor-network-dns", "names")
	pid := e.running("shop.ini")
	if got := browse(far, "192.168.77.7:8080"); got == "" {
		t.Error("another host does not reach it")
	}
	if file := in(t, pid, "cat /etc/resolv.conf"); !strings.Contains(file, "nameserver 192.168.77.2") {
		t.Errorf("it cannot ask the emperor; its nameservers are %s", file)
	}
	if routes := in(t, pid, "ip route"); !strings.Contains(routes, "192.168.77.0/24 dev eth0") {
		t.Errorf("its routes are %s", routes)
	}
	w.site("shop.ini", "network = macvlan:up0", "network-address = 192.168.77.8")
	next := e.running("shop.ini")
	if got := browse(far, "192.168.77.8:8080"); got == "" || next == pid {
		t.Error("after a change it is not reached at its other address")
	}
	w.site("shop.ini", "network = macvlan:up9")
	if r := e.await("shop.ini", "cannot launch"); !strings.Contains(r.Error, `there is no interface "up9"`) {
		t.Errorf("the error is %s", r.Error)
	}
	w.site("shop.ini", "network = macvlan:up0", "network-publish = 8001:8080")
	if r := e.await("shop.ini", "cannot use its new configuration"); !strings.Contains(r.Error, "do not pass the host") {
		t.Errorf("the error is %s", r.Error)
	}
}
