package namespaces

import (
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// link is an interface as a child sees it.
type link struct {
	MAC       string
	Up        bool
	Addresses []string
}

// interfaces returns the interfaces that exist when the role continues.
func interfaces() (any, error) {
	if err := untilTold(); err != nil {
		return nil, err
	}
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	found := map[string]link{}
	for _, i := range all {
		l := link{MAC: i.HardwareAddr.String(), Up: i.Flags&net.FlagUp != 0}
		addresses, err := i.Addrs()
		if err != nil {
			return nil, err
		}
		for _, a := range addresses {
			l.Addresses = append(l.Addresses, a.String())
		}
		found[i.Name] = l
	}
	return found, nil
}

// neighbour starts a process in another network namespace, and opens that namespace until the test ends.
func neighbour(t *testing.T, role string, env ...string) (*actor, netns.NsHandle) {
	t.Helper()
	a, ns := openNeighbour(t, role, env...)
	t.Cleanup(func() { ns.Close() })
	return a, ns
}

// openNeighbour is neighbour, with a handle that the caller closes.
func openNeighbour(t *testing.T, role string, env ...string) (*actor, netns.NsHandle) {
	t.Helper()
	a := act(t, newSpawner(t), role, Command{Namespaces: NewNet, Env: env})
	ns, err := a.OpenNetwork()
	if err != nil {
		t.Fatal(err)
	}
	return a, ns
}

func linkNames(t *testing.T) []string {
	t.Helper()
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, link := range interfaces {
		names = append(names, link.Name)
	}
	slices.Sort(names)
	return names
}

func mac(t *testing.T, s string) net.HardwareAddr {
	t.Helper()
	m, err := net.ParseMAC(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestCreateVethIntoANamespace(t *testing.T) {
	if !isolated(t, inNewNet()) {
		return
	}
	a, netns := neighbour(t, "interfaces")
	const host, peer = "02:00:00:00:00:01", "02:00:00:00:00:02"
	// The peer may have a name that an interface here has.
	v := Veth{Host: "web0", Peer: "lo2", Netns: netns, HostMAC: mac(t, host), PeerMAC: mac(t, peer), Alias: "of a test"}
	if err := CreateVeth(Veth{Host: "lo2", Peer: "other"}); err != nil {
		t.Fatal(err)
	}
	if err := CreateVeth(v); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(linkNames(t), " "); got != "lo lo2 other web0" {
		t.Errorf("links here: %s", got)
	}
	end, err := netlink.LinkByName("web0")
	if err != nil {
		t.Fatal(err)
	}
	if end.Attrs().Alias != v.Alias || end.Attrs().HardwareAddr.String() != host {
		t.Errorf("alias %q, address %v", end.Attrs().Alias, end.Attrs().HardwareAddr)
	}
	var there map[string]link
	a.finish(&there)
	if got, ok := there["lo2"]; !ok || got.MAC != peer || len(there) != 2 {
		t.Errorf("links there: %v", there)
	}
}

func TestCreateVethRefuses(t *testing.T) {
	if !isolated(t, inNewNet()) {
		return
	}
	if err := CreateVeth(Veth{Host: "a", Peer: "b"}); err != nil {
		t.Fatal(err)
	}
	tests := map[string]Veth{
		`cannot make veth "a" with peer "c": file exists`:                                  {Host: "a", Peer: "c"},
		`cannot make veth "c" with peer "b": file exists`:                                  {Host: "c", Peer: "b"},
		`cannot make veth "sixteen-letters0" with peer "c": numerical result out of range`: {Host: "sixteen-letters0", Peer: "c"},
		`cannot make veth "a/b" with peer "c": invalid argument`:                           {Host: "a/b", Peer: "c"},
		`cannot make veth "c" with peer "d": numerical result out of range`:                {Host: "c", Peer: "d", Alias: strings.Repeat("x", 300)},
	}
	for want, v := range tests {
		if err := CreateVeth(v); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if got := strings.Join(linkNames(t), " "); got != "a b lo" {
		t.Errorf("links after that: %s", got)
	}
}

func TestMoveLink(t *testing.T) {
	if !isolated(t, inNewNet()) {
		return
	}
	a, netns := neighbour(t, "interfaces")
	if err := CreateVeth(Veth{Host: "web0", Peer: "web1"}); err != nil {
		t.Fatal(err)
	}
	if err := MoveLink("web1", netns); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(linkNames(t), " "); got != "lo web0" {
		t.Errorf("links here: %s", got)
	}
	for name, want := range map[string]string{
		"web1": `cannot move link "web1": no such device`,
		"lo":   `cannot move link "lo": invalid argument`,
	} {
		if err := MoveLink(name, netns); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	var there map[string]link
	a.finish(&there)
	if _, ok := there["web1"]; !ok {
		t.Errorf("links there: %v", there)
	}
}

func TestAddresses(t *testing.T) {
	if !isolated(t, inNewNet()) {
		return
	}
	if err := CreateVeth(Veth{Host: "a", Peer: "b"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if err := SetUp(name); err != nil {
			t.Fatal(err)
		}
	}
	for _, cidr := range []string{"192.0.2.1/24", "2001:db8::1/64"} {
		if err := AddAddress("a", cidr); err != nil {
			t.Fatal(err)
		}
		// Without duplicate address detection the address can be bound at once.
		ip, _, _ := net.ParseCIDR(cidr)
		l, err := net.Listen("tcp", net.JoinHostPort(ip.String(), "0"))
		if err != nil {
			t.Errorf("%s is not usable at once: %v", cidr, err)
			continue
		}
		l.Close()
	}
	errs := map[string]error{
		`cannot add address "192.0.2.1/24" to link "a": file exists`:      AddAddress("a", "192.0.2.1/24"),
		`cannot add address "192.0.2.9/24" to link "zzz": no such device`: AddAddress("zzz", "192.0.2.9/24"),
		`cannot add address "x" to link "a": invalid CIDR address: x`:     AddAddress("a", "x"),
		`cannot set link "zzz" up: no such device`:                        SetUp("zzz"),
		`cannot set link "a-name-of-more-than-15" up: no such device`:     SetUp("a-name-of-more-than-15"),
		`cannot delete link "zzz": no such device`:                        DeleteLink("zzz"),
		`cannot delete link "lo": operation not supported`:                DeleteLink("lo"),
	}
	for want, err := range errs {
		if err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// When DeleteLink returns, both ends are gone and the name is free.
func TestCreateAndDelete(t *testing.T) {
	if !isolated(t, inNewNet()) {
		return
	}
	a, netns := neighbour(t, "interfaces")
	before := descriptors(t)
	for i := range 50 {
		if err := CreateVeth(Veth{Host: "web0", Peer: "web1", Netns: netns}); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		if err := DeleteLink("web0"); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		if got := strings.Join(linkNames(t), " "); got != "lo" {
			t.Fatalf("round %d: links here: %s", i, got)
		}
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	var there map[string]link
	a.finish(&there)
	if len(there) != 1 {
		t.Errorf("links there: %v", there)
	}
}

// The end of a namespace removes the peer, and with it the host end.
func TestTheDeathOfANamespace(t *testing.T) {
	if !isolated(t, inNewNet()) {
		return
	}
	a, netns := openNeighbour(t, "interfaces")
	for i := range 10 {
		if err := CreateVeth(Veth{Host: fmt.Sprint("h", i), Peer: fmt.Sprint("p", i), Netns: netns}); err != nil {
			t.Fatal(err)
		}
	}
	a.finish(&map[string]link{})
	netns.Close()
	eventually(t, "no link is left", func() bool { return strings.Join(linkNames(t), " ") == "lo" })
}

// PeersOf returns the interfaces whose peers are in one namespace, and no others.
func TestPeersOf(t *testing.T) {
	if !isolated(t, inNewNet()) {
		return
	}
	_, first := neighbour(t, "interfaces")
	_, second := neighbour(t, "interfaces")
	none, err := PeersOf(first)
	if err != nil || len(none) != 0 {
		t.Errorf("in the beginning: %v, %v", none, err)
	}
	for _, v := range []Veth{
		{Host: "a", Peer: "eth0", Netns: first}, {Host: "b", Peer: "eth1", Netns: first}, {Host: "c", Peer: "eth0", Netns: second}, {Host: "d", Peer: "e"},
	} {
		if err := CreateVeth(v); err != nil {
			t.Fatal(err)
		}
	}
	peers, err := PeersOf(first)
	var found []string
	for _, p := range peers {
		found = append(found, p.Name)
	}
	if slices.Sort(found); err != nil || !slices.Equal(found, []string{"a", "b"}) {
		t.Errorf("%v, %v, want a and b", found, err)
	}
}

// LinksOf returns the interfaces of another namespace with their addresses, and none of this
// one.
func TestLinksOf(t *testing.T) {
	if !isolated(t, inNewNet()) {
		return
	}
	a, other := neighbour(t, "interfaces")
	for _, v := range []Veth{{Host: "a", Peer: "inside", Netns: other, PeerMAC: mac(t, "02:00:00:00:00:07")}, {Host: "c", Peer: "d"}} {
		if err := CreateVeth(v); err != nil {
			t.Fatal(err)
		}
	}
	if err := AddAddress("c", "192.0.2.9/24"); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"addr add 198.51.100.2/30 dev inside", "addr add 192.0.2.1 peer 192.0.2.2 dev inside", "addr add 2001:db8::2/64 nodad dev inside", "link set lo up",
	} {
		cmd := exec.Command("nsenter", append([]string{"--target", strconv.Itoa(a.PID), "--net", "ip"}, strings.Fields(line)...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
	links, err := LinksOf(other)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(links)
	want := `[{"name":"lo","up":true,"addresses":["127.0.0.1/8","::1/128"]},` +
		`{"name":"inside","kind":"veth","host":"a","mac":"02:00:00:00:00:07","up":false,` +
		`"addresses":["198.51.100.2/30","192.0.2.1/32","2001:db8::2/64"]}]`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
