package namespaces

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// A kernel without echoes makes an interface whose index is read by its name.
func TestLinkWithoutEcho(t *testing.T) {
	if !isolated(t, inNewNet()) {
		return
	}
	n, err := OpenNetlink()
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	request := func(name string) *nl.NetlinkRequest {
		r := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
		r.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
		r.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name)))
		r.AddData(nl.NewRtAttr(unix.IFLA_ADDRESS, mac))
		kind := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
		kind.AddRtAttr(unix.IFLA_INFO_KIND, nl.NonZeroTerminated("bridge"))
		r.AddData(kind)
		return r
	}
	index, err := n.create(request("br0"), "br0", mac)
	if l, _ := n.LinkNamed("br0"); err != nil || index == 0 || index != l.Index {
		t.Errorf("the index is %d, not %d: %v", index, l.Index, err)
	}
	if _, err := n.create(request("br0"), "br0", mac); !errors.Is(err, unix.EEXIST) {
		t.Errorf("a second one of that name: %v, want EEXIST", err)
	}
	if _, err := n.create(request("br1"), "lo", mac); err == nil {
		t.Error("another interface is taken for the new one")
	}
}

// A pair is made with all its attributes, and both ends are configured, each by one message.
func TestNetlinkConfiguresBothEnds(t *testing.T) {
	if !isolated(t, inNewNet()) {
		return
	}
	_, netns := neighbour(t, "interfaces")
	outside, inside := bothSockets(t, netns)
	hostMAC, peerMAC := net.HardwareAddr{2, 0, 0, 0, 0, 1}, net.HardwareAddr{2, 0, 0, 0, 0, 2}
	pair := VethPair{Host: "evs0", Peer: "eth0", HostMAC: hostMAC, PeerMAC: peerMAC, Netns: netns, Group: 0x65000010, MTU: 1400}
	index, err := outside.AddVeth(pair)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := outside.AddVeth(pair); !errors.Is(err, unix.EEXIST) {
		t.Errorf("a second pair of that name: %v, want EEXIST", err)
	}
	eth0, err := inside.LinkNamed("eth0")
	if err != nil {
		t.Fatal(err)
	}
	if eth0.MAC.String() != peerMAC.String() || eth0.MTU != 1400 {
		t.Errorf("the peer is %+v", eth0)
	}
	here, there, gateway := netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("10.9.0.7"), netip.MustParsePrefix("10.9.0.1/32")
	there6 := netip.MustParseAddr("fd09::7")
	err = outside.Apply(
		Index(1).Up(), Index(1).Address(gateway),
		index.Alias("emperor=test vassal=a.ini gen=1"), index.AltName("emperor-a.ini"), index.NoLinkLocal(), index.Forwarding(), index.Up(),
		index.Neighbour(there, peerMAC), index.Neighbour(there6, peerMAC),
		HostRoute{To: netip.PrefixFrom(there, 32), Source: here, Link: index, Protocol: 0xE7}.Add(),
		HostRoute{To: netip.PrefixFrom(there6, 128), Link: index, Protocol: 0xE7}.Add(),
	)
	if err != nil {
		t.Fatal(err)
	}
	err = inside.Apply(
		Index(1).Up(), eth0.Index.Up(), eth0.Index.Address(netip.PrefixFrom(there, 32)), eth0.Index.Address(netip.PrefixFrom(there6, 128)),
		eth0.Index.Neighbour(here, hostMAC),
		HostRoute{To: netip.MustParsePrefix("0.0.0.0/0"), Via: here, Link: eth0.Index, Protocol: 0xE7}.Add(),
	)
	if err != nil {
		t.Fatal(err)
	}
	awaitState(t, outside, index)
	l, err := outside.Link(index)
	if err != nil {
		t.Fatal(err)
	}
	if l.Name != "evs0" || l.Group != 0x65000010 || !l.Up || l.MTU != 1400 || l.MAC.String() != hostMAC.String() {
		t.Errorf("the host end is %+v", l)
	}
	if named, err := outside.LinkNamed("evs0"); err != nil || named.Index != index {
		t.Errorf("by its name: %+v, %v", named, err)
	}
	for _, a := range []netip.Addr{there, there6} {
		if by, err := outside.RouteTo(a); err != nil || by != index {
			t.Errorf("packets to %s leave by %d, want %d (%v)", a, by, index, err)
		}
	}
	for _, setting := range []string{"ipv4/conf/evs0/forwarding", "ipv6/conf/evs0/addr_gen_mode"} {
		if value, err := os.ReadFile("/proc/sys/net/" + setting); err != nil || strings.TrimSpace(string(value)) != "1" {
			t.Errorf("%s is %q, %v", setting, value, err)
		}
	}
}

// bothSockets opens a socket here and one in netns.
func bothSockets(t *testing.T, ns netns.NsHandle) (outside, inside *Netlink) {
	t.Helper()
	opener, err := NewNetnsOpener()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(opener.Close)
	outside, err = OpenNetlink()
	if err == nil {
		t.Cleanup(outside.Close)
		inside, err = opener.Open(ns)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(inside.Close)
	return outside, inside
}

func awaitState(t *testing.T, n *Netlink, index Index) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		l, err := n.Link(index)
		if err != nil {
			t.Fatal(err)
		}
		if l.State == IfOperUp {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("state %d after %s", l.State, patience)
		}
	}
}

// A failure names the change and has the kernel's words, and later changes are still made.
func TestNetlinkExplainsFailures(t *testing.T) {
	if !isolated(t, inNewNet()) {
		return
	}
	n, err := OpenNetlink()
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	gateway := netip.MustParseAddr("10.9.0.1")
	bad := HostRoute{To: netip.MustParsePrefix("10.9.0.7/32"), Source: gateway, Link: 1, Protocol: 0xE7}.Add()
	err = n.Apply(Index(1).Up(), bad, Index(1).Address(netip.PrefixFrom(gateway, 32)))
	if err == nil || !strings.Contains(err.Error(), "route to 10.9.0.7/32: invalid argument: Invalid prefsrc address") {
		t.Errorf("the failure reads %q", err)
	}
	lo, err := net.InterfaceByIndex(1)
	if err != nil {
		t.Fatal(err)
	}
	addresses, err := lo.Addrs()
	if err != nil || !slices.ContainsFunc(addresses, func(a net.Addr) bool { return a.String() == "10.9.0.1/32" }) {
		t.Errorf("addresses of lo are %v, %v", addresses, err)
	}
	bad.Optional = true
	if err := n.Apply(Index(99).Alias("none")); !errors.Is(err, unix.ENODEV) {
		t.Errorf("a missing link is %v, want ENODEV", err)
	}
	if _, err := n.Link(99); !errors.Is(err, unix.ENODEV) {
		t.Errorf("a missing link reads %v, want ENODEV", err)
	}
	if err := n.Apply(Index(1).NoAddress(netip.PrefixFrom(gateway, 32)), bad); err != nil {
		t.Errorf("an optional change that failed: %v", err)
	}
}
