//go:build linux

package integration

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// One sentence reports each part that a host lacks, with the remedy, by the check and by the start, before
// the first vassal.
func TestNetworkOfAHostThatLacksSomething(t *testing.T) {
	t.Parallel()
	needs(t, "setpriv")
	w, _ := networked(t)
	w.site("shop.ini")
	file := func(options ...string) string {
		w.write("emperor.ini", ini(append([]string{"emperor = " + w.vassals, "emperor-use-clone = pid,uts,net,ipc,fs", "emperor-network = routed"}, options...)...))
		return w.path("emperor.ini")
	}
	told := func(want string, before ...string) {
		t.Helper()
		for _, verb := range [][]string{{"check", "--ini", w.path("emperor.ini")}, {"--ini", w.path("emperor.ini")}} {
			words := append(append(before, program("emperor")), verb...)
			out, err := w.inside(words[0], words[1:]...).CombinedOutput()
			if text := string(out); err == nil || strings.Count(text, want) != 1 || !strings.Contains(text, "emperor.ini:") || verb[0] != "check" && strings.Contains(text, "shop.ini") {
				t.Errorf("%v: %v\n%s", words, err, text)
			}
		}
	}
	if out := w.succeed("check", "--ini", file()); strings.Contains(out, "network-of-the-host") {
		t.Errorf("nothing is missing:\n%s", out)
	}
	told("this process may not configure networks (an emperor that is root, without uid, and with CAP_NET_ADMIN and CAP_SYS_ADMIN)",
		"setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin", "--")
	file("emperor-network-pool = 198.18.0.0/24")
	told("emperor-network-pool: the pool 198.18.0.0/24 overlaps 198.18.0.0/30, which this host uses (emperor-network-pool = another prefix)")
	file("emperor-network-bridge = br-new 198.18.0.0/24")
	told("emperor-network-bridge: the pool 198.18.0.0/24 overlaps 198.18.0.0/30, which this host uses (emperor-network-bridge = NAME and another prefix)")
	w.run("echo 0 >/proc/sys/net/ipv4/conf/up0/forwarding")
	file("emperor-network-pool = 10.142.0.0/19", "emperor-network-forwarding = check")
	told("emperor-network-forwarding: this host does not forward, and emperor-network-forwarding is check (sysctl -w net.ipv4.conf.up0.forwarding=1)")
	file("emperor-network-dns = forward")
	other := w.inside("python3", "-c", "import socket, sys\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(('', 53))\nprint('ready', flush=True)\nsys.stdin.read()")
	in, _ := other.StdinPipe()
	out, err := other.StdoutPipe()
	if err == nil {
		err = other.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	told("emperor-network-dns = off")
	in.Close()
	_ = other.Wait()
	w.run("echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6")
	file("emperor-network-pool = fd12:3456:789a::/64")
	told("this host has no IPv6 for fd12:3456:789a::/64 (sysctl -w net.ipv6.conf.all.disable_ipv6=0, or no prefix of IPv6)")
	w.run("nft add table ip filter && nft add chain ip filter FORWARD '{ type filter hook forward priority 0; policy drop; }'")
	const drops = `the chain "filter FORWARD" of another firewall drops`
	if out := w.succeed("check", "--ini", file()); !strings.Contains(out, "emperor.ini:4: warning: emperor-network: "+drops) {
		t.Errorf("a firewall: %s", out)
	}
	e := w.startOver("--ini", w.path("emperor.ini"))
	e.await("", `the chain \"filter FORWARD\" of another firewall drops`)
	e.running("shop.ini")
	w.site("shop.ini", "network = ipvlan:up0")
	if w.inside("sh", "-c", "ip link add link up0 name above type ipvlan && ip link delete above").Run() != nil {
		if out, err := w.inside(program("emperor"), "check", "--ini", w.path("emperor.ini")).Output(); err == nil || !strings.Contains(string(out), "network: this kernel has no links of the kind ipvlan (modprobe ipvlan, or another mode)") {
			t.Errorf("ipvlan: %v\n%s", err, out)
		}
	}
	e.stop(syscall.SIGTERM)
}

// An address in the range of automatic pools that no packet leads to, because the pool of this host is another part, is a warning of
// check, and a mistake once an emperor has chosen its pool.
func TestAddressOutsideOfTheAutomaticPool(t *testing.T) {
	t.Parallel()
	w, _ := networked(t)
	w.write("emperor.ini", ini("emperor = "+w.vassals, "emperor-use-clone = pid,uts,net,ipc,fs", "emperor-network = routed"))
	for i, name := range []string{"one.ini", "two.ini"} { // no pool has both
		w.site(name, fmt.Sprintf("network-address = 10.20%d.1.5", i))
	}
	check := func(mistake bool) {
		t.Helper()
		out, _ := w.inside(program("emperor"), "check", "--ini", w.path("emperor.ini")).CombinedOutput()
		n := 0
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, "ini:") && strings.Contains(line, ": network-address: 10.20") && strings.Contains(line, "is outside of the automatic pool of this host, [10.") &&
				strings.Contains(line, "(emperor-network-pool = a prefix with it in the emperor's file, or network-route)") {
				n++
			}
		}
		if n == 0 || strings.Contains(string(out), "mistakes: 0,") == mistake {
			t.Errorf("a mistake: %v\n%s", mistake, out)
		}
	}
	check(false)
	e := w.start("--ini", w.path("emperor.ini"))
	eventually(t, "the start refuses it", func() bool {
		out, _ := w.inside(program("emperor"), "list").CombinedOutput()
		return strings.Contains(string(out), "is no vassal's address in the pool")
	})
	check(true)
	e.stop(syscall.SIGTERM)
}
