//go:build linux

package integration

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// snapshotOfNetwork lists the parts of a host that the built-in network changes.
const snapshotOfNetwork = "ip -4 -o address; ip -6 -o address show scope global; ip -o link | grep -o ' [^ ]*: '; ip route show table all proto 231; ip -6 route show table all proto 231; ip neighbour show nud permanent; nft list ruleset; " +
	"ls -d /run/emperor/network/host.json /run/emperor/names || true; cd /proc/sys/net; grep . ipv4/ip_forward ipv4/conf/*/forwarding ipv6/conf/*/forwarding"

// Beside a running emperor, net check names each kind of leftover, and net gc removes them and nothing else. The dry
// run prints the same names.
func TestNetworkStrays(t *testing.T) {
	t.Parallel()
	w, far := networked(t)
	w.run("ip route add 192.0.2.0/24 via 198.18.0.2 proto 231; nft add table inet emperor-foreign")
	w.site("shop.ini", "network-publish = 8001:8080")
	e := w.start(routedArgs...)
	pid := e.running("shop.ini")
	var status struct {
		Network struct{ Group uint32 }
	}
	if err := json.Unmarshal([]byte(w.succeed("status", "--json", "shop")), &status); err != nil || status.Network.Group == 0 {
		t.Fatalf("the group is %d, %v", status.Network.Group, err)
	}
	if out := w.succeed("status", "shop"); !strings.Contains(out, "\nforged packets   0 dropped\n") || !strings.Contains(out, fmt.Sprintf(", group %d\n", status.Network.Group)) {
		t.Errorf("status:\n%s", out)
	}
	var report struct{ ID, Table string }
	if err := json.Unmarshal([]byte(w.succeed("net", "check", "--json")), &report); err != nil {
		t.Fatal(err)
	}
	before := w.run(snapshotOfNetwork)
	w.run(fmt.Sprintf("ip link add evsstray group %d type veth peer name stray1; ip route add 10.142.9.9 dev up0 proto 231; ip -6 route add fd12:3456:789a::99 dev up0 proto 231", status.Network.Group))
	w.run(fmt.Sprintf("nft add element inet %s publish4 '{ tcp . 9999 : 10.142.9.9 . 80 }'; nft add chain inet %[1]s other; nft add map inet %[1]s more '{ type inet_service : ipv4_addr; }'", report.Table))
	w.run("echo half >/run/emperor/network/leases/.new-1")
	strays := []string{
		"link evsstray", "route to 10.142.9.9/32", "route to fd12:3456:789a::99/128", "element { tcp . 9999 } in the set publish4 of the table " + report.Table,
		"chain other of the table " + report.Table, "set more of the table " + report.Table, "file /run/emperor/network/leases/.new-1",
	}
	check := w.checkNetwork()
	for _, name := range strays {
		if !strings.Contains(check, name+" belongs to no vassal (emperor net gc)\n") {
			t.Errorf("%q is missing in net check:\n%s", name, check)
		}
	}
	if n := strings.Count(check, "\n"); n != len(strays) {
		t.Errorf("net check has %d lines:\n%s", n, check)
	}
	dry := w.succeed("net", "gc", "--dry-run")
	if again := w.checkNetwork(); again != check {
		t.Errorf("the dry run has changed something:\n%s", again)
	}
	if out := w.succeed("net", "gc"); out != dry || strings.Count(out, "\n") != len(strays) {
		t.Errorf("the dry run has printed\n%s\nand net gc\n%s", dry, out)
	}
	if out := w.checkNetwork() + w.succeed("net", "gc"); out != "" {
		t.Errorf("after net gc: %s", out)
	}
	if after := w.run(snapshotOfNetwork); difference(lineSet(before), lineSet(after)) != "" {
		t.Errorf("the host was\n%s\nand is\n%s", before, after)
	}
	if got := browse(far, "198.18.0.1:8001"); got != "a page\n" {
		t.Errorf("the published port: %q", got)
	}
	e.undisturbed("shop.ini", pid)
	e.stop(syscall.SIGTERM)
	w.run("ip route delete 192.0.2.0/24; nft delete table inet emperor-foreign")
}

// lineSet makes lines comparable that come in no order.
func lineSet(text string) map[string][]string {
	return map[string][]string{"": strings.Split(text, "\n")}
}

// Without an emperor, net check names all that a killed one has left, and net gc removes it. An emperor that starts at
// the same time waits for net gc, and connects its vassals.
func TestNetworkStraysOfAKilledEmperor(t *testing.T) {
	t.Parallel()
	w, far := networked(t)
	w.run("ip route add 192.0.2.0/24 via 198.18.0.2 proto 231; nft add table inet emperor-foreign")
	before := w.run(snapshotOfNetwork)
	w.site("shop.ini", "network-publish = 8001:8080")
	kill := func(e *emperor) {
		e.signal(syscall.SIGKILL)
		e.wait()
	}
	e := w.start(routedArgs...)
	e.running("shop.ini")
	kill(e)
	w.run("ip route add 10.142.9.9 dev up0 proto 231")
	eventually(t, "its vassal's namespace and link have gone", func() bool { return !strings.Contains(w.run("ip -o link"), "evs") })
	check := w.checkNetwork()
	for _, want := range []string{"route to 10.142.9.9/32", "route to 10.142.0.0/19", "table inet emperor-", "address 10.142.0.1/32 of the interface lo", "setting net.ipv4.conf.up0.forwarding = 1, before 0", "lease of shop.ini"} {
		if !strings.Contains(check, want) || !strings.Contains(check, " of an emperor that was killed is left (emperor net gc)\n") {
			t.Errorf("%q is missing in net check:\n%s", want, check)
		}
	}
	dry := w.succeed("net", "gc", "--dry-run")
	if again := w.checkNetwork(); again != check {
		t.Errorf("the dry run has changed something:\n%s", again)
	}
	if out := w.succeed("net", "gc"); out != dry || !strings.Contains(out, "route to 10.142.9.9/32\n") {
		t.Errorf("the dry run has printed\n%s\nand net gc\n%s", dry, out)
	}
	if after := w.run(snapshotOfNetwork); after != before {
		t.Errorf("the host was\n%s\nand is\n%s", before, after)
	}
	if out := w.succeed("net", "gc"); out != "" {
		t.Errorf("net gc once more: %s", out)
	}
	if out, err := w.inside(program("emperor"), "net", "check").CombinedOutput(); err != nil || string(out) != "no emperor runs; vassals: 0, differences: 0\n" {
		t.Errorf("net check without an emperor: %v\n%s", err, out)
	}
	for range 3 {
		e := w.start(routedArgs...)
		e.running("shop.ini")
		kill(e)
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				for range 4 {
					if out, err := w.inside(program("emperor"), "net", "gc").CombinedOutput(); err != nil && !strings.Contains(string(out), "no emperor answers") {
						t.Errorf("net gc beside a starting emperor: %v\n%s", err, out)
					}
				}
			})
		}
		e = w.start(routedArgs...)
		e.running("shop.ini")
		group.Wait()
		if got := browse(far, "198.18.0.1:8001"); got != "a page\n" {
			t.Errorf("after net gc beside a starting emperor: %q", got)
		}
		w.succeed("net", "check")
		kill(e)
	}
	w.succeed("net", "gc")
	if after := w.run(snapshotOfNetwork); after != before {
		t.Errorf("the host was\n%s\nand is\n%s", before, after)
	}
	w.site("shop.ini")
	w.run("ip route delete 192.0.2.0/24; nft delete table inet emperor-foreign")
	e = w.start(allNamespaces) // it removes the rest
	e.running("shop.ini")
	e.stop(syscall.SIGTERM)
}

// An emperor that is killed and whose runtime directory is lost leaves nothing after the next start with its pool, nor after net gc.
func TestNetworkOfALostRuntimeDirectory(t *testing.T) {
	t.Parallel()
	w, far := networked(t)
	const snapshot = "ip -4 -o address; ip -6 -o address show scope global; ip -o link | grep -o ' [^ ]*: '; ip route show table all proto 231; ip -6 route show table all proto 231; nft list ruleset"
	before := w.run(snapshot)
	w.site("shop.ini", "network-publish = 8001:8080")
	for _, next := range []string{"start", "gc"} {
		e := w.start(routedArgs...)
		e.running("shop.ini")
		addresses := fmt.Sprint(w.attachment("shop").Network.Addresses)
		e.signal(syscall.SIGKILL)
		e.wait()
		w.run("rm -rf /run/emperor")
		eventually(t, "its vassal's namespace and link have gone", func() bool { return !strings.Contains(w.run("ip -o link"), "evs") })
		if out := w.checkNetwork(); out != "the network of the pool [10.142.0.0/19 fd12:3456:789a::/64] of an emperor that was killed is left (emperor net gc)\n" {
			t.Errorf("net check: %s", out)
		}
		if next == "start" {
			e = w.start(routedArgs...)
			e.running("shop.ini")
			if got := browse(far, "198.18.0.1:8001"); got != "a page\n" || fmt.Sprint(w.attachment("shop").Network.Addresses) != addresses {
				t.Errorf("the published port: %q; it had %s and has %v", got, addresses, w.attachment("shop").Network.Addresses)
			}
			if out := w.checkNetwork(); out != "" {
				t.Errorf("net check: %s", out)
			}
			e.stop(syscall.SIGTERM)
		} else if out := w.succeed("net", "gc"); !strings.Contains(out, "10.142.0.0/19") {
			t.Errorf("net gc: %q", out)
		} else {
			w.site("shop.ini")
		}
		if after := w.run(snapshot); after != before {
			t.Errorf("%s: the host was\n%s\nand is\n%s", next, before, after)
		}
	}
	e := w.start(allNamespaces) // it removes the cgroups
	e.running("shop.ini")
	e.stop(syscall.SIGTERM)
}
