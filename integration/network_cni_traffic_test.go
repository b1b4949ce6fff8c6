//go:build linux

package integration

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
)

// dual is a CNI network of both families with its own way to other hosts, in which vassals are neighbours of each other, and
// which belongs to the emperor alone.
const dual = `{"cniVersion": "1.0.0", "name": "dual", "disableCheck": true, "disableGC": false, "plugins": [
 {"type": "bridge", "bridge": "cni-dual", "isGateway": true, "ipMasq": true, "hairpinMode": true,
  "ipam": {"type": "host-local", "dataDir": %q, "ranges": [[{"subnet": "10.90.0.0/24"}], [{"subnet": "fd90::/64"}]],
   "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}},
 {"type": "portmap", "capabilities": {"portMappings": true}}]}`

// Vassals of a CNI network of both families are reached by the host, by other hosts at published ports and by their
// neighbours, and reach other hosts, as that network says. Nothing is left after their end, and nothing is left after
// net gc of an attachment whose plugin has failed.
func TestCNITraffic(t *testing.T) {
	t.Parallel()
	w, far := networked(t)
	_, args := w.pluggable()
	w.write("net.d/30-dual.conflist", fmt.Sprintf(dual, w.path("leases")))
	host := w.holder.Process.Pid
	w.serving(far, ":80")
	w.serving(host, "[::]:5432")
	w.reachesPage(host, "198.18.0.2")
	w.run("ip link add cni-dual type bridge; ip link set cni-dual up") // it stays when its ports go
	rules := func() string {
		return w.run("iptables-save | grep -v '^[#:]'; ip6tables-save | grep -v '^[#:]'; ip -o link | cut -d' ' -f2; ip route show proto 231 | sed 's, metric [0-9]*,,'; ip neighbour show nud permanent") +
			fmt.Sprint(addressesIn(w.path("leases/dual")), files(fmt.Sprintf("/proc/%d/root/run/emperor/cni", host)))
	}
	w.site("first.ini", "network = cni:dual", "network-publish = 8009:8080")
	e := w.start(args...)
	e.running("first.ini")
	w.remove("first.ini")
	e.gone("first.ini")
	empty := rules() // the chains of the plugins stay

	w.site("shop.ini", "network = cni:dual", "network-publish = 8001:8080")
	w.site("other.ini", "network = cni:dual")
	pid, other := e.running("shop.ini"), e.running("other.ini")
	own := w.attachment("shop").Network.Addresses
	if len(own) != 2 || !own[0].Is4() || !own[1].Is6() {
		t.Fatalf("its addresses are %v", own)
	}
	direct4, direct6 := netip.AddrPortFrom(own[0], 8080).String(), netip.AddrPortFrom(own[1], 8080).String()
	for _, c := range []struct {
		what string
		from int
		to   string
		want bool
	}{
		{"the host by its address", host, direct4, true},
		{"the host by its address of IPv6", host, direct6, true},
		{"the host by the published port", host, "198.18.0.1:8001", true},
		{"another host by the published port", far, "198.18.0.1:8001", true},
		{"another host by the published port of IPv6", far, "[2001:db8:18::1]:8001", true},
		{"another host by a port that is not published", far, "198.18.0.1:8080", false},
		{"another host by its address", far, direct4, false},
		{"another host by its address of IPv6", far, direct6, false},
		{"a neighbour by its address", other, direct4, true},
		{"a neighbour by its address of IPv6", other, direct6, true},
		{"a neighbour by the published port", other, "198.18.0.1:8001", true},
		{"the vassal by its own published port", pid, "198.18.0.1:8001", true},
		{"the vassal reaches another host", pid, "198.18.0.2", true},
		{"the vassal reaches another host by IPv6", pid, "[2001:db8:18::2]", true},
		{"the neighbour reaches another host", other, "198.18.0.2", true},
		{"the vassal reaches the host, which this network permits", pid, "10.90.0.1:5432", true},
	} {
		if got := browse(c.from, c.to); (got == "a page\n") != c.want {
			t.Errorf("%s: %q", c.what, got)
		}
	}
	w.remove("shop.ini")
	w.remove("other.ini")
	e.gone("shop.ini")
	e.gone("other.ini")
	if left := rules(); left != empty {
		t.Errorf("after the end of the vassals the host was\n%s\nand is\n%s", empty, left)
	}

	// A plugin that fails at the end leaves an attachment, which net gc removes.
	broken := w.path("plugins")
	w.run("mkdir " + broken + " && cp -a " + pluginDir + "/bridge " + pluginDir + "/host-local " + pluginDir + "/portmap " + broken)
	e.stop(syscall.SIGTERM)
	args[len(args)-1] = broken
	w.site("shop.ini", "network = cni:dual", "network-publish = 8001:8080")
	e = w.start(args...)
	e.running("shop.ini")
	fail := "#!/bin/sh\necho '{\"cniVersion\": \"1.0.0\", \"code\": 11, \"msg\": \"try again\"}'\nexit 1\n"
	w.run("mv " + broken + "/bridge " + broken + "/kept")
	if err := os.WriteFile(broken+"/bridge", []byte(fail), 0o755); err != nil {
		t.Fatal(err)
	}
	w.remove("shop.ini")
	e.gone("shop.ini")
	if check := w.checkNetwork(); !strings.Contains(check, `an attachment of shop.ini to the CNI network "dual" is left (emperor net gc)`) {
		t.Errorf("net check: %s", check)
	}
	w.run("mv " + broken + "/kept " + broken + "/bridge")
	if out := w.succeed("net", "gc"); !strings.Contains(out, "dual/shop.ini\n") {
		t.Errorf("net gc: %s", out)
	}
	if check := w.checkNetwork(); check != "" {
		t.Errorf("after net gc: %s", check)
	}
	if left := rules(); left != empty {
		t.Errorf("after net gc the host was\n%s\nand is\n%s", empty, left)
	}
	e.end()
	w.run("ip link delete cni-dual")
}
