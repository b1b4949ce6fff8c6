//go:build linux

package integration

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pluginDir is where Debian installs the CNI plugins.
const pluginDir = "/usr/lib/cni"

// office is a CNI network with a bridge, masquerading and published ports, which this plugin cannot check in
// all its versions. lab has a bridge alone.
const office = `{"cniVersion": "1.0.0", "name": "office", "disableCheck": true, "plugins": [
 {"type": "bridge", "bridge": "cni-office", "isGateway": true, "ipMasq": true, "capabilities": {"ips": true, "mac": true},
  "ipam": {"type": "host-local", "dataDir": %q, "ranges": [[{"subnet": "10.88.0.0/24"}], [{"subnet": "fd88::/64"}]], "routes": [{"dst": "0.0.0.0/0"}]},
  "dns": {"nameservers": ["10.88.0.53"]}},
 {"type": "portmap", "capabilities": {"portMappings": true}}]}`

const lab = `{"cniVersion": "1.0.0", "name": "lab", "plugins": [
 {"type": "bridge", "bridge": "cni-lab", "isGateway": true, "ipam": {"type": "host-local", "dataDir": %q, "subnet": "10.89.0.0/24"}}]}`

// pluggable writes the CNI network of a world. leases is where its plugin notes addresses, and args are
// options of an emperor that uses it.
func (w *world) pluggable() (leases string, args []string) {
	w.t.Helper()
	for _, name := range []string{"bridge", "host-local", "portmap"} {
		if _, err := os.Stat(filepath.Join(pluginDir, name)); err != nil {
			w.t.Skipf("no CNI plugins (containernetworking-plugins): %v", err)
		}
	}
	if err := os.Mkdir(w.path("net.d"), 0o755); err != nil {
		w.t.Fatal(err)
	}
	w.write("net.d/10-office.conflist", fmt.Sprintf(office, w.path("leases")))
	w.write("net.d/20-lab.conflist", fmt.Sprintf(lab, w.path("leases")))
	return w.path("leases/office"), []string{allNamespaces, "--emperor-network", "none", "--emperor-network-cni-conf", w.path("net.d"), "--emperor-network-cni-path", pluginDir}
}

// addressesIn lists the files of a directory that are called as an address.
func addressesIn(dir string) (found []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if _, err := netip.ParseAddr(e.Name()); err == nil {
			found = append(found, e.Name())
		}
	}
	return found
}

// Plugins of other software connect a vassal: the host reaches it, and others its published port. It
// has the nameservers of that network. A check asks the plugins. A changed port needs a new process.
// After the vassal, and after an emperor that was killed and the next start, nothing is left.
func TestCNINetwork(t *testing.T) {
	t.Parallel()
	w, far := networked(t)
	leases, args := w.pluggable()
	host := w.holder.Process.Pid
	rules := func() string {
		return w.run("iptables-save | grep -v '^[#:]'; ip6tables-save | grep -v '^[#:]'; ip -o link | cut -d' ' -f2; ip route | sed 's/ *linkdown//; s/ *$//'") + fmt.Sprint(addressesIn(leases), files("/proc/"+fmt.Sprint(host)+"/root/run/emperor"))
	}
	w.site("shop.ini", "network = cni:office", "network-publish = 8001:8080")
	e := w.start(args...)
	pid := e.running("shop.ini")
	a := w.attachment("shop")
	if len(a.Network.Addresses) != 2 || !strings.HasPrefix(a.Network.Host, "veth") {
		t.Fatalf("its place is %+v", a.Network)
	}
	direct := netip.AddrPortFrom(a.Network.Addresses[0], 8080).String()
	for _, c := range []struct {
		what string
		from int
		to   string
	}{{"the host by its address", host, direct}, {"the host by the published port", host, "198.18.0.1:8001"}, {"another host", far, "198.18.0.1:8001"}, {"the vassal itself", pid, "127.0.0.1:8080"}} {
		if got := browse(c.from, c.to); got != "a page\n" {
			t.Errorf("%s: %q", c.what, got)
		}
	}
	if got := in(t, pid, "cat /etc/resolv.conf"); !strings.Contains(got, "nameserver 10.88.0.53") {
		t.Errorf("its nameservers are %q", got)
	}
	if list := w.succeed("net", "ls"); !strings.Contains(list, "cni:office") || !strings.Contains(list, a.Network.Host) {
		t.Errorf("net ls:\n%s", list)
	}
	w.site("lab.ini", "network = cni:lab")
	other := e.running("lab.ini")
	w.succeed("net", "check")
	in(t, other, "ip address flush dev eth0")
	if out, err := w.inside(program("emperor"), "net", "check").CombinedOutput(); err == nil || !strings.Contains(string(out), `lab.ini: the CNI network "lab" reports`) {
		t.Errorf("net check: %v\n%s", err, out)
	}
	w.remove("lab.ini")
	e.gone("lab.ini")
	in(t, pid, "ip address flush dev eth0") // DEL finds everything nevertheless
	w.site("shop.ini", "network = cni:office", "network-publish = 8002:8080")
	e.await("shop.ini", "changed options need a new process")
	if e.running("shop.ini"); browse(far, "198.18.0.1:8002") == "" || browse(far, "198.18.0.1:8001") != "" {
		t.Error("the changed port is not in effect")
	}
	w.remove("shop.ini")
	e.gone("shop.ini")
	if left := addressesIn(leases); len(left) > 0 {
		t.Errorf("addresses are left: %s", left)
	}
	empty := rules()
	w.site("shop.ini", "network = cni:office", "network-publish = 8001:8080")
	e.running("shop.ini")
	if err := e.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	e.wait()
	w.remove("shop.ini")
	w.site("other.ini")
	e = w.start(args...)
	e.running("other.ini")
	w.remove("other.ini")
	e.gone("other.ini")
	if left := rules(); left != empty {
		t.Errorf("the host was\n%s\nand is\n%s", empty, left)
	}
	e.end()
	w.run("ip link delete cni-office; ip link delete cni-lab")
}

// A CNI network that is not there, has no such plugin, or is refused by it is an error of the vassal with
// its reason. One that a killed emperor has left is removed by the next one without a network, and an
// attachment that cannot be removed stays in the record, for net gc.
func TestCNIMistakes(t *testing.T) {
	t.Parallel()
	w, _ := networked(t)
	leases, args := w.pluggable()
	w.site("shop.ini", "network = cni:home")
	e := w.start(args...)
	if r := e.await("shop.ini", "cannot launch"); !strings.Contains(r.Error, `there is no CNI network "home" in `+w.path("net.d")) {
		t.Errorf("the error is %s", r.Error)
	}
	w.site("shop.ini", "network = cni:office", "network-limit = 1mbit")
	if r := e.await("shop.ini", "cannot launch"); !strings.Contains(r.Error, "network-limit needs") {
		t.Errorf("the error is %s", r.Error)
	}
	w.site("shop.ini", "network = cni:office", "network-address = 10.88.0.77")
	e.running("shop.ini")
	if a := w.attachment("shop"); a.Network.Addresses[0].String() != "10.88.0.77" {
		t.Errorf("its address is %s", a.Network.Addresses)
	}
	w.run("mv " + w.path("net.d") + "/10-office.conflist /run/kept")
	w.remove("shop.ini")
	e.gone("shop.ini") // by the configuration that attached it
	if left := addressesIn(leases); len(left) > 0 {
		t.Errorf("addresses are left: %s", left)
	}
	w.run("mv /run/kept " + w.path("net.d") + "/10-office.conflist")
	w.site("shop.ini", "network = cni:office")
	e.running("shop.ini")
	if err := e.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	e.wait()
	w.site("shop.ini")
	e = w.start(allNamespaces)
	e.running("shop.ini")
	if left := addressesIn(leases); len(left) > 0 {
		t.Errorf("addresses are left: %s", left)
	}
	e.end()
	w.run("ip link delete cni-office")
}
