//go:build linux

package integration

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// routedArgs make an emperor connect its vassals.
var routedArgs = []string{allNamespaces, "--emperor-network", "routed", "--emperor-network-pool", "10.142.0.0/19", "--emperor-network-pool", "fd12:3456:789a::/64"}

// pages serves the world's directory of pages, which all users can read.
const pages = "static-map = /=%s"

// networked makes a world behind an uplink, with another host, out, at its other end. far is a
// process in the network of that host.
func networked(t *testing.T) (w *world, far int) {
	t.Helper()
	w = newWorld(t)
	holder := w.inside("unshare", "-n", "sleep", "1000000")
	holder.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = holder.Process.Kill(); _ = holder.Wait() })
	eventually(t, "there is another host", func() bool {
		comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", holder.Process.Pid))
		return string(comm) == "sleep\n"
	})
	far = holder.Process.Pid
	w.run(fmt.Sprintf("ip link add up0 type veth peer name out0 netns %d && ip address add 198.18.0.1/30 dev up0 && ip address add 2001:db8:18::1/64 dev up0 nodad && "+
		"ip link set up0 up && ip route add default via 198.18.0.2 && ip -6 route add default via 2001:db8:18::2", far))
	inNetwork(t, far, "ip link set lo up; ip link set out0 up; ip address add 198.18.0.2/30 dev out0; ip address add 2001:db8:18::2/64 dev out0 nodad")
	eventually(t, "the uplink has a carrier and its routes", func() bool {
		routes := w.run("ip route show table all; ip -6 route show table all")
		return !strings.Contains(routes, "linkdown") && strings.Contains(routes, "multicast ff00::/8 dev up0") && strings.Contains(routes, "local 2001:db8:18::1 ")
	})
	if err := os.WriteFile(w.path("s/page"), []byte("a page\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return w, far
}

// inNetwork runs a script in the network of a process.
func inNetwork(t testing.TB, pid int, script string) string {
	t.Helper()
	return output(t, exec.Command("nsenter", "-t", strconv.Itoa(pid), "-n", "sh", "-c", script))
}

// browse gets the page of a vassal from the network of a process. Empty: it is refused.
func browse(pid int, address string) string {
	out, _ := exec.Command("nsenter", "-t", strconv.Itoa(pid), "-n", "curl", "-sS", "-g", "-m", "5", "http://"+address+"/page").Output()
	return string(out)
}

// attachment is the place of a vassal in the network.
type attachment struct {
	State   string `json:"state"`
	PID     int    `json:"pid"`
	Network struct {
		Addresses []netip.Addr `json:"addresses"`
		Host      string       `json:"host_interface"`
	} `json:"network"`
	NoNetwork string `json:"no_network"`
	Error     string `json:"error"`
}

func (w *world) attachment(name string) (a attachment) {
	w.t.Helper()
	if err := json.Unmarshal([]byte(w.succeed("status", "--json", name)), &a); err != nil {
		w.t.Fatal(err)
	}
	return a
}

// site writes the file of a vassal that serves the page at port 8080.
func (w *world) site(name string, options ...string) {
	w.t.Helper()
	w.vassal(name, append([]string{"http-socket = :8080", "http-socket = [::]:8080", fmt.Sprintf(pages, w.path("s")), "uid = 4001", "gid = 4001"}, options...)...)
}

// A vassal with one line of configuration is reached by the host and, at its published port, by
// others; it reaches other hosts, and neither its neighbours nor the host. Nothing is left of it.
func TestRoutedNetwork(t *testing.T) {
	t.Run("root", func(t *testing.T) { routedNetwork(t) })
	t.Run("user namespace", func(t *testing.T) {
		routedNetwork(t, "--emperor-use-clone=pid,uts,net,ipc,fs,user", "--emperor-id-range=1000000:65536")
	})
}

func routedNetwork(t *testing.T, args ...string) {
	t.Parallel()
	w, far := networked(t)
	if len(args) > 0 {
		args = append(args, "--state-dir="+w.path("state"))
	} else {
		args = routedArgs[:1]
	}
	host := w.holder.Process.Pid
	before := w.run("ip -4 -o address; ip -6 -o address show scope global; ip -4 route show table all; nft list ruleset")
	w.site("shop.ini", "network-publish = 8001:8080", "wait-for-interface = eth0:address",
		"exec-as-user = echo hook $UWSGI_VASSAL_ADDRESS $UWSGI_VASSAL_ADDRESS6 $UWSGI_VASSAL_GATEWAY $UWSGI_VASSAL_INTERFACE")
	w.vassal("other.ini", "command = sh -c 'echo program $UWSGI_VASSAL_ADDRESS; exec sleep 1000000'")
	args = append(append(args, routedArgs[1:]...), "--exec-as-emperor", "echo emperor $UWSGI_VASSAL_ADDRESS $UWSGI_VASSAL_HOST_INTERFACE")
	e := w.start(args...)
	pid, other := e.running("shop.ini"), e.running("other.ini")
	a := w.attachment("shop")
	if len(a.Network.Addresses) != 2 {
		t.Fatalf("its addresses are %v", a.Network.Addresses)
	}
	v4, v6 := a.Network.Addresses[0], a.Network.Addresses[1]
	e.await("shop.ini", fmt.Sprintf("hook %s %s 10.142.0.1 eth0", v4, v6))
	e.await("shop.ini", fmt.Sprintf("emperor %s %s", v4, a.Network.Host))
	e.await("other.ini", fmt.Sprintf("program %s", w.attachment("other").Network.Addresses[0]))
	if list := w.succeed("list"); !strings.Contains(list, v4.String()+":8080, :8001->8080") {
		t.Errorf("list:\n%s", list)
	}
	direct4, direct6 := netip.AddrPortFrom(v4, 8080).String(), netip.AddrPortFrom(v6, 8080).String()
	server := exec.Command("nsenter", "-t", strconv.Itoa(far), "-n", program("vassal-server"), "--http-socket", ":80", "--static-map", "/="+w.path("s"))
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Process.Kill(); _ = server.Wait() }()
	eventually(t, "the other host serves", func() bool { return browse(host, "198.18.0.2") != "" })
	for _, c := range []struct {
		what string
		from int
		to   string
		want bool
	}{
		{"the host reaches the vassal", host, direct4, true},
		{"the host reaches the vassal by IPv6", host, direct6, true},
		{"the published port", far, "198.18.0.1:8001", true},
		{"the published port by IPv6", far, "[2001:db8:18::1]:8001", true},
		{"a port that is not published", far, "198.18.0.1:8080", false},
		{"another host", pid, "198.18.0.2", true},
		{"another host by IPv6", pid, "[2001:db8:18::2]", true},
		{"a neighbour", other, direct4, false},
		{"a neighbour by IPv6", other, direct6, false},
	} {
		if got := browse(c.from, c.to); (got == "a page\n") != c.want {
			t.Errorf("%s: %q", c.what, got)
		}
	}
	w.remove("shop.ini")
	w.remove("other.ini")
	e.gone("shop.ini")
	e.gone("other.ini")
	if links := w.run("ip -o link; ip route; ip neighbour show nud permanent; nft list ruleset"); strings.Contains(links, "evs") || strings.Contains(links, v4.String()) {
		t.Errorf("left:\n%s", links)
	}
	e.stop(syscall.SIGTERM)
	if after := w.run("ip -4 -o address; ip -6 -o address show scope global; ip -4 route show table all; nft list ruleset"); after != before {
		t.Errorf("the host was\n%s\nand is\n%s", before, after)
	}
}

// A killed vassal has the same address again, and answers there once it is ready. An emperor that
// is killed leaves nothing after the next start, with a network or without.
func TestNetworkAfterKills(t *testing.T) {
	t.Parallel()
	w, far := networked(t)
	w.site("shop.ini", "network-publish = 8001:8080")
	e := w.start(routedArgs...)
	pid := e.running("shop.ini")
	first := w.attachment("shop").Network.Addresses
	for range 3 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		e.await("shop.ini", "signal: killed")
		w.succeed("start", "--wait", "shop")
		pid = e.running("shop.ini")
		if got := browse(far, "198.18.0.1:8001"); got != "a page\n" {
			t.Fatalf("ready, and the answer is %q", got)
		}
		if again := w.attachment("shop").Network.Addresses; fmt.Sprint(again) != fmt.Sprint(first) {
			t.Errorf("its addresses were %v and are %v", first, again)
		}
	}
	for _, next := range [][]string{routedArgs, {allNamespaces}} {
		e.signal(syscall.SIGKILL)
		e.wait()
		if len(next) == 1 {
			w.site("shop.ini")
		}
		e = w.start(next...)
		e.running("shop.ini")
	}
	e.stop(syscall.SIGTERM)
	w.site("shop.ini")
	e = w.start(routedArgs...)
	e.running("shop.ini")
	if out, err := w.inside(program("emperor"), "net", "down").CombinedOutput(); err == nil {
		t.Errorf("net down beside an emperor: %s", out)
	}
	e.signal(syscall.SIGKILL)
	e.wait()
	w.succeed("net", "down")
	e = w.start(allNamespaces)
	e.running("shop.ini")
	if left := w.run("ip -o link; ip -o address; nft list ruleset"); strings.Contains(left, "evs") || strings.Contains(left, "10.142") || strings.Contains(left, "emperor") {
		t.Errorf("left:\n%s", left)
	}
	e.stop(syscall.SIGTERM)
}

// Two vassals whose names lead to the same address keep theirs over a clean stop, whichever starts first. Without an emperor net
// check finds nothing, and net gc removes the leases.
func TestNetworkAddressesAfterAStop(t *testing.T) {
	t.Parallel()
	w, _ := networked(t)
	one, other := sameAddress()
	args := []string{allNamespaces, "--emperor-network", "routed", "--emperor-network-pool", "10.142.0.0/28"}
	w.site(one)
	e := w.start(args...)
	e.running(one)
	w.site(other)
	e.running(other)
	first := w.attachment(other)
	mac := func(pid int) string { return inNetwork(t, pid, "cat /sys/class/net/eth0/address") }
	hardware := mac(first.PID)
	e.stop(syscall.SIGTERM)
	w.remove(one)
	if out, err := w.inside(program("emperor"), "net", "check").CombinedOutput(); err != nil {
		t.Errorf("after the stop: %v\n%s", err, out)
	}
	e = w.start(args...)
	e.running(other)
	if again := w.attachment(other); fmt.Sprint(again.Network.Addresses) != fmt.Sprint(first.Network.Addresses) || mac(again.PID) != hardware {
		t.Errorf("%s had %v, %s, and has %v, %s", other, first.Network.Addresses, hardware, again.Network.Addresses, mac(again.PID))
	}
	e.stop(syscall.SIGTERM)
	if out := w.succeed("net", "gc"); out != "lease of "+other+"\n" {
		t.Errorf("net gc: %q", out)
	}
	if left := w.run("find /run/emperor || true"); strings.HasPrefix(left, "/run") {
		t.Errorf("left: %s", left)
	}
}

// sameAddress returns the names of two vassals that lead to one address of a pool with 13.
func sameAddress() (one, other string) {
	at := map[uint64]string{}
	for i := 0; ; i++ {
		name := fmt.Sprintf("v%d.ini", i)
		sum := sha256.Sum256([]byte(name))
		number := binary.BigEndian.Uint64(sum[:8]) % 13
		if before := at[number]; before != "" {
			return before, name
		}
		at[number] = name
	}
}

// Published ports and allowances change in the running process.
func TestNetworkChangesLive(t *testing.T) {
	t.Parallel()
	w, far := networked(t)
	w.site("shop.ini", "network-publish = 8001:8080")
	w.vassal("friend.ini", serves)
	e := w.start(routedArgs...)
	pid, friend := e.running("shop.ini"), e.running("friend.ini")
	direct := netip.AddrPortFrom(w.attachment("shop").Network.Addresses[0], 8080).String()
	if got := browse(friend, direct); got != "" {
		t.Errorf("before: %q", got)
	}
	w.site("shop.ini", "network-publish = 8002:8080", "network-allow = friend")
	e.await("shop.ini", "its network has changed")
	if browse(far, "198.18.0.1:8002") == "" || browse(far, "198.18.0.1:8001") != "" || browse(friend, direct) == "" {
		t.Error("the change is not in effect")
	}
	e.undisturbed("shop.ini", pid)
	w.site("shop.ini", "network-publish = 8002:8080", "network-publish = 8002:80")
	e.await("shop.ini", "8002 is published already")
	if browse(far, "198.18.0.1:8002") == "" {
		t.Error("the old port is gone")
	}
	e.undisturbed("shop.ini", pid)
	e.stop(syscall.SIGTERM)
}

// A change that cannot be made is refused, with its reason, and what was published stays. A change
// of the network and of other options takes effect as one. A lost link may start the vassal again.
func TestNetworkChangesBeside(t *testing.T) {
	t.Parallel()
	w, far := networked(t)
	w.site("shop.ini", "network-publish = 8001:8080")
	e := w.start(routedArgs...)
	pid := e.running("shop.ini")
	taken := w.inside(program("vassal-server"), "--http-socket", ":8002", "--static-map", "/="+w.path("s"))
	taken.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := taken.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Process.Kill(); _ = taken.Wait() }()
	eventually(t, "a program of the host has the port", func() bool { return browse(w.holder.Process.Pid, "127.0.0.1:8002") != "" })
	w.site("shop.ini", "network-publish = 8002:8080")
	e.await("shop.ini", "cannot change its network; the vassal continues as before")
	if status := w.succeed("status", "shop"); !strings.Contains(status, "port 8002: a program of the host has it") {
		t.Errorf("status:\n%s", status)
	}
	if got := browse(far, "198.18.0.1:8001"); got != "a page\n" {
		t.Errorf("the old port: %q", got)
	}
	e.undisturbed("shop.ini", pid)
	w.site("shop.ini", "network-publish = 8003:8080", "add-header = A: b")
	e.await("shop.ini", "reloading -> running")
	e.running("shop.ini") // the same line: the next one is of the next process
	if got := browse(far, "198.18.0.1:8003"); got != "a page\n" {
		t.Errorf("the new port: %q", got)
	}
	e.undisturbed("shop.ini", pid)
	w.site("shop.ini", "network-publish = 8003:8080", "network-lost = restart")
	e.await("shop.ini", "changed options need a new process")
	e.running("shop.ini")
	w.run("ip link delete " + w.attachment("shop").Network.Host)
	e.await("shop.ini", "it has no network any more")
	e.running("shop.ini")
	if got := browse(far, "198.18.0.1:8003"); got != "a page\n" {
		t.Errorf("after the restart: %q", got)
	}
	e.stop(syscall.SIGTERM)
}

// An edit of the network and of an option that the process cannot take over is refused as one: the
// network is as before.
func TestNetworkOfARefusedEdit(t *testing.T) {
	t.Parallel()
	w, far := networked(t)
	w.site("shop.ini", "network-publish = 8001:8080")
	e := w.start(routedArgs...)
	pid := e.running("shop.ini")
	w.site("shop.ini", "network-publish = 8004:8080", "http-socket = 192.0.2.9:8081")
	e.await("shop.ini", "cannot reload; the vassal continues as before")
	eventually(t, "the old port leads to it again", func() bool { return browse(far, "198.18.0.1:8001") == "a page\n" })
	if got := browse(far, "198.18.0.1:8004"); got != "" {
		t.Errorf("the port of the refused edit: %q", got)
	}
	if out := w.succeed("list"); !strings.Contains(out, ":8001->8080") || strings.Contains(out, ":8004") {
		t.Errorf("list:\n%s", out)
	}
	w.site("shop.ini", "network-publish = 8004:8080")
	e.await("shop.ini", "its network has changed")
	if got := browse(far, "198.18.0.1:8004"); got != "a page\n" {
		t.Errorf("the corrected edit: %q", got)
	}
	e.undisturbed("shop.ini", pid)
	e.stop(syscall.SIGTERM)
}

// The policy is there again after another program has deleted it.
func TestNetworkPolicyIsRestored(t *testing.T) {
	t.Parallel()
	w, far := networked(t)
	w.site("shop.ini", "network-publish = 8001:8080")
	e := w.start(append(routedArgs, "--metrics", "127.0.0.1:9120")...)
	pid := e.running("shop.ini")
	if out := w.succeed("net", "ls"); !strings.Contains(out, "shop.ini") {
		t.Errorf("net ls:\n%s", out)
	}
	w.succeed("net", "check")
	w.run("nft flush ruleset")
	e.await("", "it is set again")
	if out := w.run("curl -sS http://127.0.0.1:9120/metrics"); !strings.Contains(out, "emperor_network_table_restored_total 1") || !strings.Contains(out, "emperor_network_links_owned 1") || !strings.Contains(out, "emperor_network_up_seconds_count 1") {
		t.Errorf("metrics:\n%s", out)
	}
	if out := w.succeed("events"); !strings.Contains(out, "emperor: network: another program has deleted the network policy; it is set again") {
		t.Errorf("events:\n%s", out)
	}
	if got := browse(far, "198.18.0.1:8001"); got != "a page\n" {
		t.Errorf("the answer is %q", got)
	}
	link := w.attachment("shop").Network.Host
	w.run("ip link set " + link + " down")
	e.await("shop.ini", "it has no network any more")
	w.run("ip link set " + link + " up")
	e.await("shop.ini", "its network is there again")
	if got := browse(far, "198.18.0.1:8001"); got != "a page\n" || w.attachment("shop").NoNetwork != "" {
		t.Errorf("the link is up again: %q", got)
	}
	w.succeed("net", "check")
	w.run("ip link delete " + link)
	e.await("shop.ini", "it has no network any more")
	if out, err := w.inside(program("emperor"), "net", "check").Output(); err == nil || !strings.Contains(string(out), "shop.ini: another program has deleted its link "+link) {
		t.Errorf("net check: %v\n%s", err, out)
	}
	eventually(t, "the list shows it", func() bool { return strings.Contains(w.succeed("list"), "no network since") })
	e.undisturbed("shop.ini", pid)
	e.stop(syscall.SIGTERM)
}

// What cannot be is refused with its reason, and other vassals are not affected.
func TestNetworkRefusals(t *testing.T) {
	t.Parallel()
	w, _ := networked(t)
	w.site("good.ini", "network-publish = 8001:8080")
	e := w.start(append(routedArgs[:3:3], "--emperor-network-pool", "10.142.0.0/29", "--emperor-network-publish", "8000-8999")...)
	pid := e.running("good.ini")
	w.site("taken.ini", "network-publish = 8001:80")
	e.await("taken.ini", `cannot publish port 8001: vassal \"good.ini\" has published it`)
	w.remove("taken.ini")
	e.gone("taken.ini")
	w.write("tenants", ini(serves, "network-publish = 22", "network-address = 10.142.0.6", "uid = 4001", "gid = 4001"))
	if err := os.Chown(w.path("tenants"), 4001, 4001); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(w.path("tenants"), w.vassals+"/tenant.ini"); err != nil {
		t.Fatal(err)
	}
	e.await("tenant.ini", "network-publish: a tenant's own file may not publish port 22 (here: 8000-8999")
	e.await("tenant.ini", "network-address: not permitted in a tenant's own file")
	for _, mode := range []string{"macvlan:up0", "join:good", "none"} {
		w.write("tenants", ini(serves, "network = "+mode, "uid = 4001", "gid = 4001"))
		if err := os.Chown(w.path("tenants"), 4001, 4001); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(w.path("tenants"), w.vassals+"/tenant.ini"); err != nil {
			t.Fatal(err)
		}
		e.await("tenant.ini", "tenant.ini:3: network: a tenant's own file may not choose "+mode+" (here: routed (emperor-network-modes))")
	}
	w.remove("tenant.ini")
	for i := range 5 {
		w.vassal(fmt.Sprintf("full%d.ini", i), serves)
	}
	eventually(t, "the pool is full", func() bool {
		for i := range 5 {
			if e.count(fmt.Sprintf("full%d.ini", i), "emperor-network-pool") > 0 {
				return true
			}
		}
		return false
	})
	e.undisturbed("good.ini", pid)
	e.stop(syscall.SIGTERM)
}

// Two emperors of one host, with vassals of the same and of strange names, are not in each other's
// way: vassals of different emperors are strangers, too.
func TestNetworksOfTwoEmperors(t *testing.T) {
	t.Parallel()
	w, _ := networked(t)
	if err := os.Mkdir(w.path("v2"), 0o755); err != nil {
		t.Fatal(err)
	}
	names := []string{"a.ini", "eth1.ini", "lo.ini", "$(touch x).ini", strings.Repeat("n", 249) + "1.ini", strings.Repeat("n", 249) + "2.ini"}
	first := w.start(allNamespaces, "--emperor-network", "routed", "--runtime-dir", "/run/one")
	first.await("", "is watching")
	second := w.startOver(allNamespaces, "--emperor-network", "routed", "--runtime-dir", "/run/two", w.path("v2"))
	seen := map[string]bool{}
	for _, name := range names {
		w.vassal(name, "http-socket = :8080", fmt.Sprintf(pages, w.path("s")), "uid = 4001", "gid = 4001")
		w.write("v2/"+name, ini(serves))
		own, strange := first.running(name), second.running(name)
		var a attachment
		if err := json.Unmarshal([]byte(w.succeed("status", "--runtime-dir", "/run/one", "--json", name)), &a); err != nil {
			t.Fatal(err)
		}
		at := netip.AddrPortFrom(a.Network.Addresses[0], 8080).String()
		if seen[at] {
			t.Errorf("%s has the address of another vassal", name)
		}
		seen[at] = true
		if got := browse(w.holder.Process.Pid, at); got != "a page\n" {
			t.Errorf("%s: %q", name, got)
		}
		if got := browse(strange, at); got != "" {
			t.Errorf("a vassal of another emperor reaches %s: %q", name, got)
		}
		if !alive(own) {
			t.Errorf("%s has ended", name)
		}
	}
	first.stop(syscall.SIGTERM)
	if got := w.run("ip -o link | grep -c evs || true"); got != fmt.Sprint(len(names)) {
		t.Errorf("the other emperor has %s links", got)
	}
	second.stop(syscall.SIGTERM)
}

// A router advertisement of a connected vassal adds nothing to the host.
func TestNetworkAdvertisement(t *testing.T) {
	t.Parallel()
	w, _ := networked(t)
	w.vassal("a.ini", "env = "+roleEnv+"=advertise", "command = "+storyProgram)
	e := w.start(routedArgs...)
	e.running("a.ini")
	e.await("a.ini", "advertising")
	host := w.attachment("a").Network.Host
	eventually(t, "the host has heard it", func() bool {
		var heard int
		_, _ = fmt.Sscan(w.run("cat /proc/net/dev | grep "+host+": | cut -d: -f2 | xargs | cut -d' ' -f2"), &heard)
		return heard > 100
	})
	if got := w.run("ip -6 route; ip -6 -o address"); strings.Contains(got, "2001:db8:bad") {
		t.Errorf("the host has\n%s", got)
	}
	e.stop(syscall.SIGTERM)
}

// An emperor that is killed while it connects vassals, at any time, leaves nothing after the next
// start or `emperor net down`, and nothing of other programs is touched.
func TestNetworkAfterKillsAtAnyTime(t *testing.T) {
	t.Parallel()
	kills := 6
	if os.Getenv(soakEnv) != "" {
		kills = 200
	}
	w, _ := networked(t)
	w.run("ip link add evsforeign type veth peer name foreign1; ip route add 192.0.2.0/24 via 198.18.0.2 proto 231; nft add table inet emperor-foreign")
	for i := range 4 {
		w.site(fmt.Sprintf("v%d.ini", i), fmt.Sprintf("network-publish = %d:8080", 8001+i), "network-limit = 40mbit", "exec-as-emperor = true")
	}
	const snapshot = "ip -4 -o address; ip -6 -o address show scope global; ip -o link | grep -v qdisc.noqueue || true; ip route show table all proto 231; ip neighbour show nud permanent; nft list ruleset; ls -d /run/emperor/network/host.json || true; " +
		"cd /proc/sys/net; grep . ipv4/ip_forward ipv4/conf/*/forwarding ipv6/conf/*/forwarding ipv6/conf/*/force_forwarding ipv6/conf/*/accept_ra"
	if err := os.Mkdir(w.path("none"), 0o755); err != nil {
		t.Fatal(err)
	}
	before := w.run(snapshot)
	for i := range kills {
		e := w.start(routedArgs...)
		if i%3 > 0 { // otherwise it may not have its runtime directory yet
			e.await("", "is watching")
		}
		time.Sleep(rand.N(150 * time.Millisecond))
		e.signal(syscall.SIGKILL)
		e.wait()
		if i%2 == 0 {
			w.succeed("net", "down")
		} else {
			next := w.startOver(allNamespaces, w.path("none"))
			next.await("", "is watching")
			next.stop(syscall.SIGTERM)
		}
		if after := w.run(snapshot); after != before {
			t.Fatalf("after kill %d the host was\n%s\nand is\n%s", i, before, after)
		}
	}
	w.run("ip link delete evsforeign; ip route delete 192.0.2.0/24; nft delete table inet emperor-foreign")
}

// A link that a hook has made is watched like one of the built-in network: its loss is an event at
// once, the list shows it, and with network-lost = restart the vassal starts again.
func TestLostLinkOfAHook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	link := "exec-as-emperor = ip link add h-$UWSGI_VASSAL_NAME type veth peer name eth0 netns $UWSGI_VASSAL_PID && ip link set h-$UWSGI_VASSAL_NAME up && touch " + w.path("made-") + "$UWSGI_VASSAL_NAME"
	w.vassal("a.ini", serves)
	w.vassal("b.ini", serves, "network-lost = restart")
	e := w.start(allNamespaces, "--"+strings.Replace(link, " = ", "=", 1))
	pid := e.running("a.ini")
	e.running("b.ini")
	links := func() string { return w.run("ip -o link | grep -o 'h-[^@:]*' || true") }
	for _, name := range []string{"a.ini", "b.ini"} {
		if !strings.Contains(links(), "h-"+name) {
			t.Fatalf("the links are %s", links())
		}
	}
	w.run("ip link set h-a.ini down")
	e.await("a.ini", "it has no network any more")
	if out := w.succeed("events", "a"); !strings.Contains(out, "network: no network: another program has deleted its link, or has set it down") {
		t.Errorf("events:\n%s", out)
	}
	if out := w.succeed("list"); !strings.Contains(out, "no network since") {
		t.Errorf("list:\n%s", out)
	}
	e.undisturbed("a.ini", pid)
	w.run("ip link delete h-b.ini")
	e.await("b.ini", "it has no network any more")
	e.running("b.ini")
	if !strings.Contains(links(), "h-b.ini") || e.count("b.ini", "it has no network any more") != 1 {
		t.Errorf("after the restart the links are %s", links())
	}
	w.remove("a.ini")
	e.gone("a.ini")
	e.stop(syscall.SIGTERM)
	if n := e.count("a.ini", "it has no network any more") + e.count("b.ini", "it has no network any more"); n != 2 {
		t.Errorf("%d losses are reported", n)
	}
}
