package network

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/network/spec"
)

// checksum is the one of the Internet protocols (RFC 1071).
func checksum(parts ...[]byte) []byte {
	sum := uint32(0)
	for _, p := range parts {
		if len(p)%2 == 1 {
			p = append(p[:len(p):len(p)], 0)
		}
		for i := 0; i < len(p); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(p[i:]))
		}
	}
	for sum > 0xFFFF {
		sum = sum>>16 + sum&0xFFFF
	}
	return binary.BigEndian.AppendUint16(nil, ^uint16(sum))
}

// frameOf returns a frame of Ethernet.
func frameOf(from, to net.HardwareAddr, kind uint16, payload []byte) []byte {
	return slices.Concat(to, from, bigEndian(kind), payload)
}

// packet returns an IP packet with a payload whose checksum, if it has one, is at an offset.
func packet(from, to netip.Addr, protocol byte, payload []byte, checksumAt int) (kind uint16, b []byte) {
	length := bigEndian(uint16(len(payload)))
	if checksumAt >= 0 {
		pseudo := slices.Concat(from.AsSlice(), to.AsSlice(), []byte{0, protocol}, length)
		if protocol == unix.IPPROTO_ICMP {
			pseudo = nil
		}
		copy(payload[checksumAt:], checksum(pseudo, payload))
	}
	const hops = 255 // neighbour discovery requires it
	if to.Is6() {
		return unix.ETH_P_IPV6, slices.Concat([]byte{0x60, 0, 0, 0}, length, []byte{protocol, hops}, from.AsSlice(), to.AsSlice(), payload)
	}
	header := slices.Concat([]byte{0x45, 0}, bigEndian(uint16(20+len(payload))), []byte{0, 0, 0, 0, hops, protocol, 0, 0}, from.AsSlice(), to.AsSlice())
	copy(header[10:], checksum(header))
	return unix.ETH_P_IP, slices.Concat(header, payload)
}

const hostilePort = 9

func datagram(from, to netip.Addr, text string) (uint16, []byte) {
	return packet(from, to, unix.IPPROTO_UDP, slices.Concat(bigEndian(1234), bigEndian(hostilePort), bigEndian(uint16(8+len(text))), []byte{0, 0}, []byte(text)), 6)
}

// claim returns an answer without a question: the address belongs to the hardware address.
func claim(a netip.Addr, mac net.HardwareAddr) (uint16, []byte) {
	if a.Is4() {
		const reply = 2
		return unix.ETH_P_ARP, slices.Concat([]byte{0, 1, 8, 0, 6, 4, 0, reply}, mac, a.AsSlice(), []byte{255, 255, 255, 255, 255, 255}, a.AsSlice())
	}
	const override = 0x20
	return packet(a, netip.MustParseAddr("ff02::1"), unix.IPPROTO_ICMPV6, slices.Concat([]byte{advertiseNode, 0, 0, 0, override, 0, 0, 0}, a.AsSlice(), []byte{2, 1}, mac), 2)
}

// arpRequest returns a request of ARP for an address by another one, whose sender the kernel notes as a neighbour.
func arpRequest(from, about netip.Addr, mac net.HardwareAddr) []byte {
	const request = 1
	return slices.Concat([]byte{0, 1, 8, 0, 6, 4, 0, request}, mac, from.AsSlice(), []byte{0, 0, 0, 0, 0, 0}, about.AsSlice())
}

// advertisement returns the words of a router with a prefix (RFC 4861, 4.2).
func advertisement(mac net.HardwareAddr) (uint16, []byte) {
	prefix := slices.Concat([]byte{3, 4, 64, 0xc0, 0, 0, 14, 16, 0, 0, 14, 16, 0, 0, 0, 0}, netip.MustParseAddr("2001:db8:bad::").AsSlice())
	return packet(linkLocal(mac), netip.MustParseAddr("ff02::1"), unix.IPPROTO_ICMPV6, slices.Concat([]byte{advertiseRouter, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0}, prefix), 2)
}

// redirect returns the words of a router that knows a better way to a host.
func redirect(router, of, to netip.Addr) (uint16, []byte) {
	const redirect4 = 5
	_, inner := datagram(of, to, "12345678")
	return packet(router, of, unix.IPPROTO_ICMP, slices.Concat([]byte{redirect4, 1, 0, 0}, router.AsSlice(), inner), 2)
}

// emit sends frames by an interface of a namespace.
func emit(t *testing.T, ns netns.NsHandle, name string, frames ...[]byte) {
	t.Helper()
	err := inside(t, ns, func() error {
		l, err := net.InterfaceByName(name)
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		for _, f := range frames {
			if err := unix.Sendto(fd, f, 0, &unix.SockaddrLinklayer{Ifindex: l.Index, Protocol: 0}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// ears receives the datagrams at a port of a namespace.
func ears(t *testing.T, ns netns.NsHandle) <-chan string {
	t.Helper()
	var conn net.PacketConn
	if err := inside(t, ns, func() (err error) { conn, err = net.ListenPacket("udp", fmt.Sprintf(":%d", hostilePort)); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	heard := make(chan string, 1000)
	go func() {
		b := make([]byte, 100)
		for {
			n, _, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			heard <- string(b[:n])
		}
	}()
	return heard
}

// Nothing arrives that a vassal sends with another source address, by frames of its own making,
// and none of its claims about neighbours and routers changes the host.
func TestHostileFrames(t *testing.T) {
	for _, kind := range []spec.Kind{spec.Routed, spec.Bridge} {
		t.Run(string(kind), func(t *testing.T) {
			if isolated(t) {
				hostileFrames(t, kind)
			}
		})
	}
}

func hostileFrames(t *testing.T, kind spec.Kind) {
	far := outside(t)
	settled(t)
	s := openStage(t, func(c *Config) { withBridge(c); c.ToHost.All = true })
	defer s.Close()
	a, b := newNetns(t), newNetns(t)
	wish := spec.Wish{Mode: spec.Mode{Kind: kind}}
	la := up(t, s, "a.ini", a, wish)
	wish.Allow = []spec.Allowance{{Prefix: netip.MustParsePrefix("0.0.0.0/0")}, {Prefix: netip.MustParsePrefix("::/0")}}
	lb := up(t, s, "b.ini", b, wish)
	if kind == spec.Bridge { // the ports of a bridge are isolated whatever is permitted
		lb = nil
	}
	hosts := []struct {
		name string
		at   []netip.Addr
		ears <-chan string
	}{
		{"the host", la.Gateways, ears(t, here(t))},
		{"another host", addresses("198.18.0.2", "2001:db8:18::2"), ears(t, far)},
	}
	neighbours := addresses("10.9.0.200", "fd09::200")
	if lb != nil {
		hosts = append(hosts, struct {
			name string
			at   []netip.Addr
			ears <-chan string
		}{"a neighbour", lb.Addresses, ears(t, b)})
		neighbours = append(neighbours, lb.Addresses...)
	}
	router := la.hostMAC
	if kind == spec.Bridge {
		router = s.bridge.mac
	}
	view := func() string {
		var text string
		for line := range strings.Lines(settled(t)) {
			if !bridgeState(line) {
				text += line
			}
		}
		for line := range strings.Lines(ip(t, netns.None(), "neigh", "show")) {
			if !strings.Contains(line, " dev up0 ") { // the host asks there itself
				text += line
			}
		}
		return text
	}
	before := view()
	sources := append(neighbours, la.Gateways...)
	sources = append(sources, addresses("198.18.0.1", "2001:db8:18::1", "198.18.0.2", "2001:db8:18::2", "203.0.113.9", "2001:db8:99::9", "127.0.0.1", "::1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "ff02::1")...)
	macs := []net.HardwareAddr{la.peerMAC, la.hostMAC, {2, 0, 0, 0, 0, 0x99}}
	for i, h := range hosts {
		for _, to := range h.at {
			var frames [][]byte
			for _, mac := range macs {
				for _, from := range sources {
					if from.Is4() == to.Is4() {
						k, p := datagram(from, to, fmt.Sprintf("forged by %s from %s", mac, from))
						frames = append(frames, frameOf(mac, router, k, p))
					}
				}
			}
			own := la.Addresses[0]
			if to.Is6() {
				own = la.Addresses[1]
			}
			k, p := datagram(own, to, "honest")
			emit(t, a, "eth0", append(frames, frameOf(la.peerMAC, router, k, p))...)
			select {
			case got := <-hosts[i].ears:
				if got != "honest" {
					t.Errorf("%s hears at %s: %s", h.name, to, got)
				}
			case <-time.After(patience):
				t.Fatalf("%s hears nothing at %s", h.name, to)
			}
		}
	}
	all := net.HardwareAddr{255, 255, 255, 255, 255, 255}
	var frames [][]byte
	for _, mac := range macs {
		for _, address := range append(sources, la.Addresses...) {
			k, p := claim(address, mac)
			frames = append(frames, frameOf(mac, all, k, p), frameOf(mac, router, k, p))
			if address.Is4() {
				for _, about := range addresses(la.Gateways[0].String(), "198.18.0.1") {
					frames = append(frames, frameOf(mac, all, unix.ETH_P_ARP, arpRequest(address, about, mac)))
				}
			}
		}
		k, p := advertisement(mac)
		frames = append(frames, frameOf(mac, net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}, k, p), frameOf(mac, router, k, p))
		for _, r := range append(la.Gateways[:1:1], la.Addresses[0]) {
			k, p := redirect(r, netip.MustParseAddr("198.18.0.1"), netip.MustParseAddr("198.18.0.2"))
			frames = append(frames, frameOf(mac, router, k, p))
		}
	}
	k, p := datagram(la.Addresses[0], la.Gateways[0], "the last one")
	emit(t, a, "eth0", append(frames, frameOf(la.peerMAC, router, k, p))...)
	if got := <-hosts[0].ears; got != "the last one" {
		t.Errorf("the host hears %s", got)
	}
	if after := view(); after != before {
		t.Errorf("the host has changed:\n%s", difference(before, after))
	}
	if n := *(Auditor{s}).Spoofed("a.ini"); n < uint64(len(sources)) {
		t.Errorf("%d forged packets are counted", n)
	}
	// With another hardware address it reaches nothing, or only by its own addresses.
	ip(t, a, "link", "set", "eth0", "address", "02:00:00:00:00:99")
	k, p = datagram(neighbours[0], la.Gateways[0], "forged")
	emit(t, a, "eth0", frameOf(net.HardwareAddr{2, 0, 0, 0, 0, 0x99}, router, k, p))
	k, p = datagram(la.Addresses[0], la.Gateways[0], "with its first address")
	emit(t, a, "eth0", frameOf(la.peerMAC, router, k, p))
	if got := <-hosts[0].ears; !strings.HasPrefix(got, "with its first address") {
		t.Errorf("the host hears %s", got)
	}
	if after := view(); after != before {
		t.Errorf("the host has changed:\n%s", difference(before, after))
	}
}

// The kernel of a vassal speaks by itself on a new link. That counts as no forgery.
func TestHonestVassalsForgeNothing(t *testing.T) {
	for _, kind := range []spec.Kind{spec.Routed, spec.Bridge} {
		t.Run(string(kind), func(t *testing.T) {
			if isolated(t) {
				honestVassals(t, kind)
			}
		})
	}
}

func honestVassals(t *testing.T, kind spec.Kind) {
	outside(t)
	s := openStage(t, withBridge)
	defer s.Close()
	const vassals, repeats = 6, 4 * time.Second // the kernel repeats its reports for some seconds
	var first netns.NsHandle
	for i := range vassals {
		ns := newNetns(t)
		up(t, s, fmt.Sprintf("v%d.ini", i), ns, spec.Wish{Mode: spec.Mode{Kind: kind}})
		if i == 0 {
			first = ns
		}
	}
	time.Sleep(repeats)
	for i := range vassals {
		if n := *(Auditor{s}).Spoofed(fmt.Sprintf("v%d.ini", i)); n > 0 {
			t.Errorf("vassal %d: %d forged packets are counted", i, n)
		}
	}
	if n := s.Stats().Spoofed; n > 0 {
		t.Errorf("%d forged packets are counted", n)
	}
	l := s.links["v0.ini"]
	k, p := datagram(netip.MustParseAddr("2001:db8::9"), l.Gateways[1], "forged")
	router := l.hostMAC
	if kind == spec.Bridge {
		router = s.bridge.mac
	}
	emit(t, first, "eth0", frameOf(l.peerMAC, router, k, p))
	for range 1000 {
		if *(Auditor{s}).Spoofed("v0.ini") == 1 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("a forged packet is counted %d times", *(Auditor{s}).Spoofed("v0.ini"))
}
