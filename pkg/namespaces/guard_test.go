package namespaces

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// advertise is a process that announces itself as a router on eth0, once eth0 exists, until it
// is asked to end.
func advertise() (any, error) {
	if _, err := os.Stdout.WriteString("\n"); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() { _, _ = os.Stdin.Read(make([]byte, 1)); close(ended) }()
	for {
		select {
		case <-ended:
			return nil, nil
		case <-time.After(5 * time.Millisecond):
		}
		if err := advertiseOnce(); err != nil && !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return nil, err
		}
	}
}

// advertiseOnce sends a router advertisement with a prefix (RFC 4861, 4.2 and 4.6.2).
func advertiseOnce() error {
	link, err := find("eth0")
	if err != nil {
		return err
	}
	if link.Attrs().Flags&net.FlagUp == 0 {
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/eth0/accept_dad", []byte("0"), 0); err != nil {
			return err
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return err
		}
	}
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMPV6)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	message := make([]byte, 16+32)
	message[0], message[4] = 134, 64
	binary.BigEndian.PutUint16(message[6:], 1800)                                                    // lifetime as a default router
	message[16], message[17], message[18], message[19] = 3, 4, 64, 0xc0                              // a /64 on this link, for address configuration
	binary.BigEndian.PutUint32(message[20:], 3600)                                                   // valid lifetime
	binary.BigEndian.PutUint32(message[24:], 3600)                                                   // preferred lifetime
	copy(message[32:], netip.MustParseAddr("2001:db8:bad::").AsSlice())                              // the prefix
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 255); err != nil { // receivers require 255
		return err
	}
	to := &unix.SockaddrInet6{ZoneId: uint32(link.Attrs().Index), Addr: netip.MustParseAddr("ff02::1").As16()}
	return unix.Sendto(fd, message, 0, to)
}

// advertisedTo lists the routes and addresses through an interface that this host has accepted
// from advertisements.
func advertisedTo(t *testing.T, name string) string {
	t.Helper()
	link, err := find(name)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	routes, err := netlink.RouteList(link, unix.AF_INET6)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range routes {
		if r.Dst == nil || r.Dst.IP.IsGlobalUnicast() || r.Gw != nil {
			found = append(found, r.String())
		}
	}
	addresses, err := netlink.AddrList(link, unix.AF_INET6)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if a.IP.IsGlobalUnicast() {
			found = append(found, a.String())
		}
	}
	return strings.Join(found, "\n")
}

// A process behind a link can add routes to this host, unless the link is guarded.
func TestGuardLinkAgainstARouter(t *testing.T) {
	if !isolated(t, inNewNet()) {
		return
	}
	a, netns := neighbour(t, "advertise")
	a.comeThisFar()
	if err := CreateVeth(Veth{Host: "open", Peer: "eth0", Netns: netns}); err != nil {
		t.Fatal(err)
	}
	if err := SetUp("open"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the host believes the router", func() bool { return strings.Contains(advertisedTo(t, "open"), "Gw: fe80") })
	peers, err := PeersOf(netns)
	if err != nil || len(peers) != 1 {
		t.Fatalf("%v, %v", peers, err)
	}
	if err := GuardLink(peers[0].Name); err != nil {
		t.Fatal(err)
	}
	if got := advertisedTo(t, "open"); got != "" {
		t.Errorf("right after it was guarded the host has\n%s", got)
	}
	if err := DeleteLink("open"); err != nil {
		t.Fatal(err)
	}
	if err := CreateVeth(Veth{Host: "guarded", Peer: "eth0", Netns: netns}); err != nil {
		t.Fatal(err)
	}
	if peers, err = PeersOf(netns); err != nil || len(peers) != 1 {
		t.Fatalf("%v, %v", peers, err)
	}
	for _, err := range []error{GuardLink(peers[0].Name), SetUp("guarded"), AddAddress("guarded", "2001:db8:1::1/64")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	heard := func() uint64 {
		link, err := find("guarded")
		if err != nil {
			t.Fatal(err)
		}
		return link.Attrs().Statistics.RxPackets
	}
	eventually(t, "fifty advertisements", func() bool { return heard() > 50 })
	if got := advertisedTo(t, "guarded"); strings.Contains(got, "Gw: fe80") || strings.Contains(got, "bad") || !strings.Contains(got, "2001:db8:1::1") {
		t.Errorf("the host has\n%s", got)
	}
}

// GuardLink changes only default values, and nothing else.
func TestGuardLinkLeavesWhatWasChosen(t *testing.T) {
	if !isolated(t, inNewNet()) {
		return
	}
	if err := CreateVeth(Veth{Host: "a", Peer: "b"}); err != nil {
		t.Fatal(err)
	}
	set := func(key, value string) {
		if err := os.WriteFile("/proc/sys/net/"+key, []byte(value), 0); err != nil {
			t.Fatal(err)
		}
	}
	values := func(link string) string {
		var all []string
		for _, g := range guards {
			value, err := readValue("/proc/sys/net/" + g.family + "/conf/" + link + "/" + g.key)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, value)
		}
		return strings.Join(all, " ")
	}
	before := values("b")
	set("ipv6/conf/a/accept_ra", "2")
	set("ipv4/conf/a/rp_filter", "2")
	for range 2 {
		if err := GuardLink("a"); err != nil {
			t.Fatal(err)
		}
		if got, want := values("a"), "2 0 0 0 0 2"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if got := values("b"); got != before || got == "0 0 0 0 0 1" {
		t.Errorf("another link had %s, has %s", before, got)
	}
	if err := GuardLink("b"); err != nil || values("b") != "0 0 0 0 0 1" {
		t.Errorf("%v, %s", err, values("b"))
	}
	if err := GuardLink("gone"); err != nil {
		t.Errorf("a link that is gone: %v", err)
	}
}

// A bridge exposes the host when it accepts advertisements, as the kernel decides it. A link
// that is no port, or is gone, has none.
func TestExposedMaster(t *testing.T) {
	if !isolated(t, inNewNet()) {
		return
	}
	for _, err := range []error{
		netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br"}}),
		CreateVeth(Veth{Host: "port", Peer: "p1"}), CreateVeth(Veth{Host: "alone", Peer: "p2"}), setMaster("port", "br"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		link, ra, forwarding, disabled string
		want                           string
	}{
		{"port", "1", "0", "0", "br"},
		{"port", "2", "1", "0", "br"},
		{"port", "1", "1", "0", ""},
		{"port", "0", "0", "0", ""},
		{"port", "1", "0", "1", ""},
		{"alone", "1", "0", "0", ""},
		{"gone", "1", "0", "0", ""},
	} {
		for key, value := range map[string]string{"accept_ra": tt.ra, "forwarding": tt.forwarding, "disable_ipv6": tt.disabled} {
			if err := os.WriteFile("/proc/sys/net/ipv6/conf/br/"+key, []byte(value), 0); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := ExposedMaster(tt.link); got != tt.want || err != nil {
			t.Errorf("%+v: %q, %v", tt, got, err)
		}
	}
}

func setMaster(port, bridge string) error {
	p, err := find(port)
	if err != nil {
		return err
	}
	b, err := find(bridge)
	if err != nil {
		return err
	}
	return netlink.LinkSetMaster(p, b)
}
