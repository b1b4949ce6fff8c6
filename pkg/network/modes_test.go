package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/network/spec"
)

func onBridge(t *testing.T, of string, publish ...string) spec.Wish {
	t.Helper()
	return spec.Wish{Mode: spec.Mode{Kind: spec.Bridge, Of: of}, Publish: publications(t, publish...)}
}

// withBridge has a bridge with addresses, which the stage makes.
func withBridge(c *Config) {
	c.Bridge = spec.SharedBridge{Name: "br-test", Prefixes: prefixes("10.8.0.0/24", "fd08::/64")}
}

// Vassals on a bridge of the emperor are reached like routed ones, and do not reach each other.
func TestBridge(t *testing.T) {
	if !isolated(t) {
		return
	}
	for _, family := range []string{"iptables", "ip6tables"} { // of this namespace, where the kernel has it
		_ = os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-"+family, []byte("0"), 0)
	}
	far := outside(t)
	before := settled(t)
	s := openStage(t, withBridge)
	a, b := newNetns(t), newNetns(t)
	la, lb := up(t, s, "a.ini", a, onBridge(t, "", "8001:8080")), up(t, s, "b.ini", b, onBridge(t, "br-test"))
	host := here(t)
	serve(t, a, 8080, "a")
	serve(t, b, 8080, "b")
	serve(t, host, 5432, "host")
	serve(t, far, 80, "far")
	at := func(l *Link, family, port int) string {
		return netip.AddrPortFrom(l.Addresses[family], uint16(port)).String()
	}
	for _, c := range []struct {
		what string
		from netns.NsHandle
		to   string
		want string // empty: no connection
	}{
		{"the host reaches a", host, at(la, 0, 8080), "a for 10.8.0.1"},
		{"the host reaches a by IPv6", host, at(la, 1, 8080), "a for fd08::1"},
		{"a published port leads to a", far, "198.18.0.1:8001", "a for 198.18.0.2"},
		{"a published port leads to a by IPv6", far, "[2001:db8:18::1]:8001", "a for 2001:db8:18::2"},
		{"a neighbour uses the published port", b, "198.18.0.1:8001", "a for"},
		{"a uses its own published port", a, "198.18.0.1:8001", "a for"},
		{"a neighbour uses the published port by IPv6", b, "[2001:db8:18::1]:8001", "a for"},
		{"a reaches other hosts", a, "198.18.0.2:80", "far for 198.18.0.1"},
		{"a reaches other hosts by IPv6", a, "[2001:db8:18::2]:80", "far for 2001:db8:18::1"},
		{"a does not reach b", a, at(lb, 0, 8080), ""},
		{"a does not reach the host", a, "10.8.0.1:5432", ""},
		{"a does not reach the host by its other address", a, "198.18.0.1:5432", ""},
		{"a does not reach the host by IPv6", a, "[fd08::1]:5432", ""},
	} {
		got, err := ask(t, c.from, c.to)
		if c.want == "" && err == nil || c.want != "" && (err != nil || !strings.HasPrefix(got, c.want)) {
			t.Errorf("%s: %q, %v, want %q", c.what, got, err, c.want)
		}
	}
	if r, err := (Auditor{s}).Audit(known("a.ini", "b.ini", "c.ini")); err != nil || len(r.Problems) > 0 || len(r.Links) != 2 {
		t.Errorf("the audit finds %+v, %v", r, err)
	}
	ip(t, netns.None(), "link", "set", lb.HostInterface, "nomaster")
	if r, err := (Auditor{s}).Audit(known("a.ini", "b.ini", "c.ini")); err != nil || len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "out of the bridge") {
		t.Errorf("the audit finds %+v, %v", r.Problems, err)
	}
	for _, l := range []*Link{la, lb} {
		if err := s.Down(l); err != nil {
			t.Error(err)
		}
	}
	if rules := nft(t, "list", "ruleset"); strings.Contains(rules, "device") {
		t.Errorf("guards of ports are left: %s", rules)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if after := settled(t); after != before {
		t.Errorf("the host was\n%s\nand is\n%s", before, after)
	}
}

// With emperor-network-between = allow they reach each other.
func TestBridgeOfFriends(t *testing.T) {
	if !isolated(t) {
		return
	}
	ip(t, netns.None(), "link", "set", "lo", "up")
	s := openStage(t, func(c *Config) { withBridge(c); c.Between = true })
	defer s.Close()
	a, b := newNetns(t), newNetns(t)
	la := up(t, s, "a.ini", a, onBridge(t, ""))
	lb := up(t, s, "b.ini", b, onBridge(t, ""))
	serve(t, b, 8080, "b")
	for i := range 2 {
		if got, err := ask(t, a, netip.AddrPortFrom(lb.Addresses[i], 8080).String()); err != nil || got != "b for "+la.Addresses[i].String() {
			t.Errorf("a reaches b: %q, %v", got, err)
		}
	}
}

// hears returns a function that waits for a datagram with a text at an address of this namespace,
// and returns its source. Empty: another datagram came first.
func hears(t *testing.T, at string) func(text string) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return func(text string) string {
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		b := make([]byte, 100)
		n, from, err := conn.ReadFrom(b)
		if err != nil {
			t.Fatal(err)
		}
		if string(b[:n]) != text {
			return "another one: " + string(b[:n])
		}
		return from.(*net.UDPAddr).AddrPort().Addr().Unmap().String()
	}
}

// say sends a datagram from a namespace.
func say(t *testing.T, ns netns.NsHandle, from, to, text string) {
	t.Helper()
	err := inside(t, ns, func() error {
		conn, err := (&net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(from)}}).Dial("udp", to)
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write([]byte(text))
		return err
	})
	if err != nil {
		t.Fatalf("%s from %s to %s: %v", text, from, to, err)
	}
}

// A vassal on a bridge cannot send with the address of another one, whatever it changes.
func TestForgeryOnABridge(t *testing.T) {
	if !isolated(t) {
		return
	}
	ip(t, netns.None(), "link", "set", "lo", "up")
	restored := make(chan struct{}, 9)
	s := openStage(t, func(c *Config) {
		withBridge(c)
		c.ToHost.All = true
		c.Event = func(string) { restored <- struct{}{} }
	})
	defer s.Close()
	a, b := newNetns(t), newNetns(t)
	la, lb := up(t, s, "a.ini", a, onBridge(t, "")), up(t, s, "b.ini", b, onBridge(t, ""))
	gateways := []string{"10.8.0.1", "fd08::1"}
	lengths := []string{"/24", "/64"}
	for i, gateway := range gateways {
		at := net.JoinHostPort(gateway, "9999")
		heard := hears(t, at)
		own, stolen := la.Addresses[i].String(), lb.Addresses[i].String()
		ip(t, a, "address", "add", stolen+lengths[i], "dev", "eth0", "nodad")
		say(t, a, stolen, at, "forged")
		say(t, a, own, at, "honest")
		if got := heard("honest"); got != own {
			t.Errorf("the host hears %s", got)
		}
		ip(t, a, "address", "delete", stolen+lengths[i], "dev", "eth0")
	}
	// Another hardware address: even its own addresses do not help.
	ip(t, a, "link", "set", "eth0", "address", "02:00:00:00:00:99")
	heard := hears(t, "10.8.0.1:9998")
	say(t, a, la.Addresses[0].String(), "10.8.0.1:9998", "forged")
	say(t, b, lb.Addresses[0].String(), "10.8.0.1:9998", "honest")
	if got := heard("honest"); got != lb.Addresses[0].String() {
		t.Errorf("the host hears %s", got)
	}
	ofAll, ofA := uint64(0), uint64(1)
	for range 50 { // a late packet is counted between the two
		if ofAll, ofA = s.Stats().Spoofed, *(Auditor{s}).Spoofed("a.ini"); ofAll == ofA {
			break
		}
	}
	if ofB := *(Auditor{s}).Spoofed("b.ini"); ofAll < 3 || ofA != ofAll || ofB != 0 {
		t.Errorf("%d forged packets are counted, %d of them for a, %d for b", ofAll, ofA, ofB)
	}
	// The guards are there again after another program has removed them.
	whole := func() string { return sorted(nft(t, "-s", "list", "table", "netdev", s.id.Table())) }
	guarded := whole()
	for _, how := range [][]string{
		{"flush", "ruleset"},
		{"delete", "table", "netdev", s.id.Table()},
		{"flush", "table", "netdev", s.id.Table()},
		{"delete", "chain", "netdev", s.id.Table(), lb.HostInterface},
		{"flush", "chain", "netdev", s.id.Table(), lb.HostInterface},
	} {
		nft(t, how...)
		select {
		case <-restored:
		case <-time.After(patience):
			t.Fatalf("after %v the guards are not restored", how)
		}
		// The kernel reports one transaction in several messages, so that a late one may find a part of the next
		// damage, whose rest is restored afterwards.
		for end := time.Now().Add(patience); whole() != guarded; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("after %v the guards are\n%s\ninstead of\n%s", how, whole(), guarded)
			}
		}
	}
	before := s.Stats().Restored
	if before < 5 {
		t.Errorf("%d restorations are counted", before)
	}
	// The end of a vassal is no attack, nor is a link that another program deletes.
	if err := s.Down(la); err != nil {
		t.Error(err)
	}
	ip(t, netns.None(), "link", "delete", lb.HostInterface)
	if err := s.Down(lb); err != nil {
		t.Error(err)
	}
	nft(t, "flush", "ruleset") // events are handled in order
	for end := time.Now().Add(patience); s.Stats().Restored == before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the policy is not restored")
		}
	}
	if n := s.Stats().Restored; n != before+1 {
		t.Errorf("%d restorations are counted, and %d before", n, before)
	}
}

// A bridge of the operator gets ports, and keeps its addresses and its policy.
func TestBridgeOfTheOperator(t *testing.T) {
	if !isolated(t) {
		return
	}
	ip(t, netns.None(), "link", "set", "lo", "up")
	ip(t, netns.None(), "link", "add", "br0", "type", "bridge")
	ip(t, netns.None(), "link", "set", "br0", "up")
	ip(t, netns.None(), "address", "add", "192.168.77.1/24", "dev", "br0")
	s := openStage(t, nil)
	a, b := newNetns(t), newNetns(t)
	wish := onBridge(t, "br0")
	wish.Addresses = []netip.Addr{netip.MustParseAddr("192.168.77.7")}
	la := up(t, s, "a.ini", a, wish)
	serve(t, a, 8080, "a")
	serve(t, here(t), 5432, "host")
	if got, err := ask(t, here(t), "192.168.77.7:8080"); err != nil || got != "a for 192.168.77.1" {
		t.Errorf("the host reaches a: %q, %v", got, err)
	}
	if got, err := ask(t, a, "192.168.77.1:5432"); err != nil || got != "host for 192.168.77.7" {
		t.Errorf("the policy of the bridge is the operator's: %q, %v", got, err)
	}
	lb := up(t, s, "b.ini", b, onBridge(t, "br0"))
	if len(lb.Addresses) > 0 || !strings.Contains(ip(t, b, "-o", "link", "show", "eth0"), "state UP") {
		t.Errorf("a vassal without an address: %v", lb.Addresses)
	}
	for want, wish := range map[string]spec.Wish{
		`there is no bridge "br9"`:          onBridge(t, "br9"),
		`"lo" is no bridge`:                 onBridge(t, "lo"),
		"no bridge is given":                onBridge(t, ""),
		"its ports cannot be published":     onBridge(t, "br0", "80"),
		"is in no network of the interface": {Mode: wish.Mode, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.7")}},
	} {
		if _, err := s.Up(t.Context(), Request{Vassal: "c.ini", Generation: 1, Wish: wish, Netns: newNetns(t)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err := errors.Join(s.Down(la), s.Down(lb), s.Close()); err != nil {
		t.Error(err)
	}
	if left := ip(t, netns.None(), "-o", "link", "show", "master", "br0"); left != "" {
		t.Errorf("ports are left: %s", left)
	}
	if !strings.Contains(ip(t, netns.None(), "-o", "address", "show", "br0"), "192.168.77.1/24") {
		t.Error("the bridge has lost its address")
	}
}

func TestFullBridge(t *testing.T) {
	if err := roomOn("br0", maxPorts-1); err != nil {
		t.Error(err)
	}
	if err := roomOn("br0", maxPorts); err == nil || !strings.Contains(err.Error(), `bridge "br0" has 1000 ports`) {
		t.Errorf("a full bridge: %v", err)
	}
}

// An interface on top of one of the host is reached from the network of that, and a new generation
// gets the same hardware address at once.
func TestSublinks(t *testing.T) {
	for _, kind := range []spec.Kind{spec.Macvlan, spec.Ipvlan} {
		t.Run(string(kind), func(t *testing.T) {
			if !isolated(t) {
				return
			}
			far := outside(t)
			ip(t, netns.None(), "address", "add", "192.168.77.1/24", "dev", "up0")
			ip(t, netns.None(), "route", "replace", "default", "via", "192.168.77.2")
			ip(t, far, "address", "add", "192.168.77.2/24", "dev", "out0")
			before := settled(t)
			s := openStage(t, nil)
			serve(t, far, 80, "far")
			wish := spec.Wish{Mode: spec.Mode{Kind: kind, Of: "up0"}, Addresses: []netip.Addr{netip.MustParseAddr("192.168.77.7")}}
			a := newNetns(t)
			la, err := s.Up(t.Context(), Request{Vassal: "a.ini", Generation: 1, Wish: wish, Netns: a})
			if errors.Is(err, unix.EOPNOTSUPP) {
				if want := fmt.Sprintf("this kernel has no interfaces of the kind %s (modprobe %s)", kind, kind); !strings.Contains(err.Error(), want) {
					t.Errorf("%v, want %s", err, want)
				}
				t.Logf("the kernel refuses %s", kind)
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			serve(t, a, 8080, "a")
			if got, err := ask(t, far, "192.168.77.7:8080"); err != nil || got != "a for 192.168.77.2" {
				t.Errorf("another host reaches a: %q, %v", got, err)
			}
			if got, err := ask(t, a, "192.168.77.2:80"); err != nil || got != "far for 192.168.77.7" {
				t.Errorf("a reaches another host: %q, %v", got, err)
			}
			if route := ip(t, a, "route", "show", "default"); !strings.Contains(route, "via 192.168.77.2") {
				t.Errorf("the default route is %s", route)
			}
			b := newNetns(t)
			again := make(chan error, 1)
			go func() { // the generation before is not gone yet
				lb, err := s.Up(t.Context(), Request{Vassal: "a.ini", Generation: 2, Wish: wish, Netns: b})
				if err == nil {
					err = s.Down(lb)
				}
				again <- err
			}()
			if err := s.Down(la); err != nil {
				t.Error(err)
			}
			if err := <-again; err != nil {
				t.Errorf("the next generation: %v", err)
			}
			if links := ip(t, a, "-o", "link"); strings.Contains(links, "eth0") {
				t.Errorf("left inside: %s", links)
			}
			wish.Mode.Of = "up9"
			if _, err := s.Up(t.Context(), Request{Vassal: "b.ini", Generation: 1, Wish: wish, Netns: b}); err == nil || !strings.Contains(err.Error(), `there is no interface "up9"`) {
				t.Errorf("the error is %v", err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if after := settled(t); after != before {
				t.Errorf("the host was\n%s\nand is\n%s", before, after)
			}
		})
	}
}
