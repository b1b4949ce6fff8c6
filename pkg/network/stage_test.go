package network

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// newNetns makes a network namespace, and keeps it open until the test ends.
func newNetns(t *testing.T) netns.NsHandle {
	t.Helper()
	made := make(chan netns.NsHandle)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its goroutine
		ns, _ := netns.New()   // None after an error
		made <- ns
	}()
	ns := <-made
	if !ns.IsOpen() {
		t.Fatal("no network namespace can be made")
	}
	t.Cleanup(func() { ns.Close() })
	return ns
}

// inside calls f on a thread in a network namespace. Sockets that f makes stay there.
func inside(t *testing.T, ns netns.NsHandle, f func() error) error {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked
		err := netns.Set(ns)
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// ip runs ip(8) in a namespace; None: here.
func ip(t *testing.T, ns netns.NsHandle, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("ip")
	if err != nil {
		t.Skip("ip is not installed")
	}
	var out []byte
	run := func() (err error) { out, err = exec.Command(path, args...).CombinedOutput(); return err }
	if !ns.IsOpen() {
		err = run()
	} else {
		err = inside(t, ns, run)
	}
	if err != nil {
		t.Fatalf("ip %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// serve answers each connection at a port of all addresses with a text and the client's address.
func serve(t *testing.T, ns netns.NsHandle, port int, text string) {
	t.Helper()
	var l net.Listener
	err := inside(t, ns, func() (err error) { l, err = net.Listen("tcp", fmt.Sprintf(":%d", port)); return err })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			client := c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
			_, _ = fmt.Fprintf(c, "%s for %s", text, client)
			c.Close()
		}
	}()
}

// echo answers each datagram at a port of all addresses, by the address at which it has arrived.
func echo(t *testing.T, ns netns.NsHandle, port int) {
	t.Helper()
	for _, network := range []string{"udp4", "udp6"} {
		var conn *net.UDPConn
		err := inside(t, ns, func() (err error) { conn, err = net.ListenUDP(network, &net.UDPAddr{Port: port}); return err })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		raw, err := conn.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.Control(func(fd uintptr) { // the destination is the source of the answer
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		})
		go func() {
			b, control := make([]byte, 100), make([]byte, 200)
			for {
				n, c, _, from, err := conn.ReadMsgUDP(b, control)
				if err != nil {
					return
				}
				_, _, _ = conn.WriteMsgUDP(b[:n], answerFrom(control[:c]), from)
			}
		}()
	}
}

// answerFrom turns the destination of a datagram into the source of its answer (ip(7), IP_PKTINFO).
func answerFrom(control []byte) []byte {
	if len(control) >= unix.CmsgSpace(unix.SizeofInet4Pktinfo) && control[8] == unix.IPPROTO_IP {
		at := control[unix.CmsgLen(0):]
		clear(at[:4]) // any interface
		copy(at[4:8], at[8:12])
	}
	return control
}

// question sends a datagram, and waits for its answer. A refusal, or none, is an error.
func question(t *testing.T, ns netns.NsHandle, to string) error {
	t.Helper()
	return inside(t, ns, func() error {
		c, err := net.Dial("udp", to)
		if err != nil {
			return err
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(2 * time.Second))
		if _, err := c.Write([]byte("question")); err != nil {
			return err
		}
		_, err = c.Read(make([]byte, 100))
		return err
	})
}

// ask connects from a namespace, and returns the answer.
func ask(t *testing.T, ns netns.NsHandle, to string) (answer string, err error) {
	t.Helper()
	err = inside(t, ns, func() error {
		c, err := net.DialTimeout("tcp", to, 2*time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		b, err := io.ReadAll(c)
		answer = string(b)
		return err
	})
	return answer, err
}

func here(t *testing.T) netns.NsHandle {
	t.Helper()
	ns, err := namespaces.CurrentNetwork()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	return ns
}

// outside makes a namespace behind an uplink up0, which is the way to all other hosts.
func outside(t *testing.T) netns.NsHandle {
	t.Helper()
	ns := newNetns(t)
	n, err := namespaces.OpenNetlink()
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	up, err := n.AddVeth(namespaces.VethPair{Host: "up0", Peer: "out0", HostMAC: derivedMAC("up"), PeerMAC: derivedMAC("out"), Netns: ns})
	if err != nil {
		t.Fatal(err)
	}
	p := netip.MustParsePrefix
	err = n.Apply(loopback.Up(), up.Up(), up.Address(p("198.18.0.1/30")), up.Address(p("2001:db8:18::1/64")))
	if err != nil {
		t.Fatal(err)
	}
	ip(t, ns, "link", "set", "lo", "up")
	ip(t, ns, "link", "set", "out0", "up")
	ip(t, ns, "address", "add", "198.18.0.2/30", "dev", "out0")
	ip(t, ns, "address", "add", "2001:db8:18::2/64", "dev", "out0", "nodad")
	ip(t, netns.None(), "route", "add", "default", "via", "198.18.0.2")
	ip(t, netns.None(), "-6", "route", "add", "default", "via", "2001:db8:18::2")
	return ns
}

func openStage(t *testing.T, change func(*Config)) *Stage {
	t.Helper()
	c := Config{Dir: t.TempDir() + "/network", Pool: prefixes("10.9.0.0/24", "fd09::/64"), Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&c)
	}
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func routed(t *testing.T, publish ...string) spec.Wish {
	t.Helper()
	return spec.Wish{Mode: spec.Mode{Kind: spec.Routed}, Publish: publications(t, publish...)}
}

func up(t *testing.T, s *Stage, name string, ns netns.NsHandle, wish spec.Wish) *Link {
	t.Helper()
	l, err := s.Up(t.Context(), Request{Vassal: name, Generation: 1, Wish: wish, Netns: ns})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// world lists everything of the network that a stage changes.
func world(t *testing.T) string {
	t.Helper()
	text := ip(t, netns.None(), "-o", "link") + ip(t, netns.None(), "-o", "address") + ip(t, netns.None(), "route", "show", "table", "all") + ip(t, netns.None(), "-6", "route", "show", "table", "all") +
		ip(t, netns.None(), "neigh", "show", "nud", "permanent") + nft(t, "-s", "list", "ruleset")
	for _, setting := range []string{"ipv4/ip_forward", "ipv4/conf/up0/forwarding", "ipv6/conf/all/forwarding", "ipv6/conf/up0/force_forwarding"} {
		b, _ := os.ReadFile(sysctls + "/" + setting)
		text += setting + " " + string(b)
	}
	return text
}

// settled waits until the host's own addresses are complete, which the kernel tests for a moment.
func settled(t *testing.T) string {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		text := world(t)
		if complete := !strings.Contains(text, "up0") || strings.Contains(text, "inet6 fe80"); complete && !strings.Contains(text, "tentative") {
			return text
		}
		if time.Now().After(end) {
			t.Fatalf("addresses are not complete:\n%s", text)
		}
	}
}

// A vassal is reached by its address and by its published port, reaches other hosts, and neither
// its neighbours nor the host. Afterwards the host is as before.
func TestRouted(t *testing.T) {
	if !isolated(t) {
		return
	}
	far := outside(t)
	before := settled(t)
	s := openStage(t, nil)
	a, b := newNetns(t), newNetns(t)
	foreseen, err := Foresee(s, Request{Vassal: "a.ini", Generation: 1, Wish: spec.Wish{Mode: spec.Mode{Kind: spec.Routed}}})
	if err != nil {
		t.Fatal(err)
	}
	la := up(t, s, "a.ini", a, routed(t, "8001:8080", "8053:5353/udp"))
	if !slices.Equal(foreseen.Addresses, la.Addresses) || !slices.Equal(foreseen.Gateways, la.Gateways) || foreseen.HostInterface != la.HostInterface || foreseen.Interface != la.Interface {
		t.Errorf("foreseen was %+v, and it has %+v", foreseen, la)
	}
	lb := up(t, s, "b.ini", b, spec.Wish{Mode: spec.Mode{Kind: spec.Routed}, Allow: []spec.Allowance{{Prefix: netip.MustParsePrefix("198.18.0.2/32"), Port: 8080, Protocol: spec.TCP}}})
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
		want string // empty: refused
	}{
		{"the host reaches a", host, at(la, 0, 8080), "a for 10.9.0.1"},
		{"the host reaches a by IPv6", host, at(la, 1, 8080), "a for fd09::1"},
		{"a published port leads to a", far, "198.18.0.1:8001", "a for 198.18.0.2"},
		{"a published port leads to a by IPv6", far, "[2001:db8:18::1]:8001", "a for 2001:db8:18::2"},
		{"the host uses the published port", host, "198.18.0.1:8001", "a for"},
		{"a neighbour uses the published port", b, "198.18.0.1:8001", "a for"},
		{"a uses its own published port", a, "198.18.0.1:8001", "a for"},
		{"a neighbour uses the published port by IPv6", b, "[2001:db8:18::1]:8001", "a for"},
		{"a uses its own published port by IPv6", a, "[2001:db8:18::1]:8001", "a for"},
		{"the host uses the published port by IPv6", host, "[2001:db8:18::1]:8001", "a for"},
		{"a reaches other hosts", a, "198.18.0.2:80", "far for 198.18.0.1"},
		{"a reaches other hosts by IPv6", a, "[2001:db8:18::2]:80", "far for 2001:db8:18::1"},
		{"a does not reach b", a, at(lb, 0, 8080), ""},
		{"a does not reach b by IPv6", a, at(lb, 1, 8080), ""},
		{"a does not reach the host", a, "10.9.0.1:5432", ""},
		{"a does not reach the host by its other address", a, "198.18.0.1:5432", ""},
		{"a does not reach the host by IPv6", a, "[fd09::1]:5432", ""},
	} {
		got, err := ask(t, c.from, c.to)
		switch {
		case c.want == "" && errors.Is(err, unix.ECONNREFUSED):
		case c.want == "" || err != nil || !strings.HasPrefix(got, c.want):
			t.Errorf("%s: %q, %v, want %q", c.what, got, err, c.want)
		}
	}
	echo(t, a, 5353)
	echo(t, host, 5354)
	echo(t, far, 5355)
	for _, c := range []struct {
		what string
		from netns.NsHandle
		to   string
		want bool
	}{
		{"a published port of UDP", far, "198.18.0.1:8053", true},
		{"a published port of UDP by IPv6", far, "[2001:db8:18::1]:8053", true},
		{"the host by a's address", host, at(la, 0, 5353), true},
		{"the host by a's address of IPv6", host, at(la, 1, 5353), true},
		{"the host by the published port", host, "198.18.0.1:8053", true},
		{"a by its own published port", a, "198.18.0.1:8053", true},
		{"a by its own published port of IPv6", a, "[2001:db8:18::1]:8053", true},
		{"a neighbour by the published port", b, "198.18.0.1:8053", true},
		{"a neighbour by the published port of IPv6", b, "[2001:db8:18::1]:8053", true},
		{"another host, from a", a, "198.18.0.2:5355", true},
		{"another host by IPv6, from a", a, "[2001:db8:18::2]:5355", true},
		{"a neighbour's address", b, at(la, 0, 5353), false},
		{"a neighbour's address of IPv6", b, at(la, 1, 5353), false},
		{"the host, from a", a, "10.9.0.1:5354", false},
		{"the host by IPv6, from a", a, "[fd09::1]:5354", false},
	} {
		if err := question(t, c.from, c.to); (err == nil) != c.want {
			t.Errorf("UDP: %s: %v", c.what, err)
		}
	}
	ip(t, far, "route", "add", "10.9.0.0/24", "via", "198.18.0.1")
	if got, err := ask(t, far, at(lb, 0, 8080)); err != nil || !strings.HasPrefix(got, "b for 198.18.0.2") {
		t.Errorf("an allowed host reaches b: %q, %v", got, err)
	}
	if got, err := ask(t, far, at(la, 0, 8080)); err == nil {
		t.Errorf("a host that is not allowed reaches a: %q", got)
	}
	ip(t, far, "route", "delete", "10.9.0.0/24")
	for _, l := range []*Link{la, lb} {
		if err := s.Down(l); err != nil {
			t.Error(err)
		}
	}
	if links := ip(t, netns.None(), "-o", "link"); strings.Contains(links, "evs") {
		t.Errorf("left: %s", links)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if after := settled(t); after != before {
		t.Errorf("the host was\n%s\nand is\n%s", before, after)
	}
}

// A port of the host that a program has is an error with its number, and a held port belongs to
// the vassal alone.
func TestPublishedPortInUse(t *testing.T) {
	if !isolated(t) {
		return
	}
	ip(t, netns.None(), "link", "set", "lo", "up")
	s := openStage(t, nil)
	defer s.Close()
	l, err := net.Listen("tcp", "127.0.0.1:8001")
	if err != nil {
		t.Fatal(err)
	}
	request := func(name, port string) Request {
		return Request{Vassal: name, Generation: 1, Wish: routed(t, port), Netns: newNetns(t)}
	}
	if _, err := s.Up(t.Context(), request("a.ini", "8001:80")); err == nil || !strings.Contains(err.Error(), "port 8001: a program of the host has it") {
		t.Errorf("a port in use: %v", err)
	}
	l.Close()
	a, err := s.Up(t.Context(), request("a.ini", "8001:80"))
	if err != nil {
		t.Fatal(err)
	}
	for _, network := range []string{"tcp4", "tcp6"} {
		if l, err := net.Listen(network, ":8001"); !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("a program takes the port: %v, %v", l, err)
		}
	}
	for _, port := range []string{"8000-8002:80", "127.0.0.1:8001:80"} {
		if _, err := s.Up(t.Context(), request("b.ini", port)); err == nil || !strings.Contains(err.Error(), `"a.ini" has published it`) {
			t.Errorf("%s of another vassal: %v", port, err)
		}
	}
	if err := s.Down(a); err != nil {
		t.Fatal(err)
	}
	b, err := s.Up(t.Context(), request("b.ini", "8000-8002:80"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Down(b); err != nil {
		t.Fatal(err)
	}
}

// talk opens a connection to a server of its own. The result tests whether it still exists.
func talk(t *testing.T, from, at netns.NsHandle, to string, port int) func() {
	t.Helper()
	var l net.Listener
	if err := inside(t, at, func() (err error) { l, err = net.Listen("tcp", fmt.Sprintf(":%d", port)); return err }); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var client net.Conn
	if err := inside(t, from, func() (err error) { client, err = net.DialTimeout("tcp", to, 2*time.Second); return err }); err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return func() {
		t.Helper()
		text := make([]byte, 4)
		_ = server.SetDeadline(time.Now().Add(patience))
		if _, err := client.Write([]byte("ping")); err != nil {
			t.Errorf("the connection has ended: %v", err)
		}
		if _, err := io.ReadFull(server, text); err != nil {
			t.Errorf("the connection has ended: %v", err)
		}
	}
}

// Publications, allowances and rates change while connections exist.
func TestChange(t *testing.T) {
	if !isolated(t) {
		return
	}
	far := outside(t)
	s := openStage(t, nil)
	defer s.Close()
	a, b := newNetns(t), newNetns(t)
	la := up(t, s, "a.ini", a, routed(t, "8001:8080", "8004:7070"))
	up(t, s, "b.ini", b, routed(t))
	serve(t, a, 8080, "a")
	serve(t, a, 9090, "other")
	try := func(from netns.NsHandle, to, want string) {
		t.Helper()
		got, err := ask(t, from, to)
		if want == "" && err == nil || want != "" && !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, %v, want %q", to, got, err, want)
		}
	}
	direct := netip.AddrPortFrom(la.Addresses[0], 8080).String()
	try(far, "198.18.0.1:8001", "a")
	try(b, direct, "")
	exists := talk(t, far, a, "198.18.0.1:8004", 7070)
	wish := routed(t, "8001:9090", "8002:8080")
	wish.Allow = []spec.Allowance{{Vassal: "b"}}
	wish.Limit = spec.Rate{Down: 1e9, Up: 1e9}
	if err := s.Change(t.Context(), la, wish, a); err != nil {
		t.Fatal(err)
	}
	try(far, "198.18.0.1:8001", "other")
	try(far, "198.18.0.1:8002", "a")
	try(b, direct, "a")
	if out := ip(t, a, "-d", "link", "show", "eth0"); !strings.Contains(out, "qdisc tbf") {
		t.Errorf("no rate: %s", out)
	}
	l, err := net.Listen("tcp", ":8003")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := s.Change(t.Context(), la, routed(t, "8003:8080"), a); err == nil || !strings.Contains(err.Error(), "8003") {
		t.Errorf("a port in use: %v", err)
	}
	try(far, "198.18.0.1:8001", "other")
	if err := s.Change(t.Context(), la, routed(t), a); err != nil {
		t.Fatal(err)
	}
	exists()
	try(far, "198.18.0.1:8001", "")
	try(b, direct, "")
	if l, err := net.Listen("tcp", ":8001"); err != nil {
		t.Errorf("the port is not free: %v", err)
	} else {
		l.Close()
	}
	if out := ip(t, a, "-d", "link", "show", "eth0"); strings.Contains(out, "qdisc tbf") {
		t.Errorf("the rate stays: %s", out)
	}
}

// An allowance for a vassal counts when that is connected, by whatever address.
func TestAllowanceOfAVassalThatComesLater(t *testing.T) {
	if !isolated(t) {
		return
	}
	ip(t, netns.None(), "link", "set", "lo", "up")
	s := openStage(t, nil)
	defer s.Close()
	a, b := newNetns(t), newNetns(t)
	wish := routed(t)
	wish.Allow = []spec.Allowance{{Vassal: "b.ini", Port: 8080, Protocol: spec.TCP}}
	la := up(t, s, "a.ini", a, wish)
	serve(t, a, 8080, "a")
	direct := netip.AddrPortFrom(la.Addresses[0], 8080).String()
	fixed := routed(t)
	fixed.Addresses = addresses("10.9.0.77")
	lb := up(t, s, "b.ini", b, fixed)
	if got, err := ask(t, b, direct); got != "a for 10.9.0.77" {
		t.Errorf("b reaches a: %q, %v", got, err)
	}
	if err := s.Down(lb); err != nil {
		t.Fatal(err)
	}
	if rules := nft(t, "list", "set", "inet", s.id.Table(), "open4"); strings.Contains(rules, "10.9.0.77") {
		t.Errorf("without b: %s", rules)
	}
	taken := routed(t)
	taken.Addresses = la.Addresses[:1]
	if _, err := s.Up(t.Context(), Request{Vassal: "c.ini", Generation: 1, Wish: taken, Netns: newNetns(t)}); err == nil || !strings.Contains(err.Error(), `"a.ini" has the address`) {
		t.Errorf("an address of another vassal: %v", err)
	}
	for _, wrong := range []string{"10.9.0.1", "192.0.2.1"} {
		taken.Addresses = addresses(wrong)
		if _, err := s.Up(t.Context(), Request{Vassal: "c.ini", Generation: 1, Wish: taken, Netns: newNetns(t)}); err == nil || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

// abandon does what the kernel does when the process of a stage is killed.
func abandon(s *Stage) {
	s.watch.Close()
	s.ups.close()
	s.sockets.opener.Close()
	for range workers {
		if n := <-s.sockets.turns; n != nil {
			n.Close()
		}
	}
	s.deleted.close()
	_ = s.table.conn.CloseLasting()
	s.changes.there.end()
	for _, h := range s.ports.held {
		h.close()
	}
}

// The next stage removes all that a killed one has left, and nothing else; Collect does the same
// without a stage.
func TestKilledStage(t *testing.T) {
	if !isolated(t) {
		return
	}
	far := outside(t)
	before := settled(t)
	dir := t.TempDir() + "/network"
	same := func(c *Config) { c.Dir = dir }
	for range 2 {
		s := openStage(t, same)
		up(t, s, "a.ini", newNetns(t), routed(t, "8001:80"))
		abandon(s)
	}
	s := openStage(t, same)
	if links := ip(t, netns.None(), "-o", "link"); strings.Contains(links, "evs") {
		t.Errorf("left: %s", links)
	}
	a := newNetns(t)
	serve(t, far, 80, "far")
	up(t, s, "a.ini", a, routed(t, "8001:80"))
	if got, err := ask(t, a, "198.18.0.2:80"); err != nil || !strings.HasPrefix(got, "far for 198.18.0.1") {
		t.Errorf("after a kill: %q, %v", got, err)
	}
	abandon(s)
	if err := Collect(dir, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if after := settled(t); after != before {
		t.Errorf("the host was\n%s\nand is\n%s", before, after)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its records are left: %v", err)
	}
	if err := Collect(dir, slog.New(slog.DiscardHandler)); err != nil {
		t.Errorf("without records: %v", err)
	}
}

// Packets of a vassal with sources that are not its own do not arrive, and are counted.
func TestForgedSources(t *testing.T) {
	if !isolated(t) {
		return
	}
	far := outside(t)
	settled(t)
	s := openStage(t, nil)
	defer s.Close()
	a, b := newNetns(t), newNetns(t)
	la, lb := up(t, s, "a.ini", a, routed(t)), up(t, s, "b.ini", b, routed(t))
	var heard net.PacketConn
	if err := inside(t, far, func() (err error) { heard, err = net.ListenPacket("udp", ":9"); return err }); err != nil {
		t.Fatal(err)
	}
	defer heard.Close()
	send := func(from netip.Addr, text string) {
		t.Helper()
		to := "198.18.0.2:9"
		if from.Is6() {
			to = "[2001:db8:18::2]:9"
		}
		err := inside(t, a, func() error {
			d := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
			c, err := d.Dial("udp", to)
			if err != nil {
				return err
			}
			defer c.Close()
			_, err = c.Write([]byte(text))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	forged := append(lb.Addresses, addresses("10.9.0.200", "fd09::200", "198.18.0.1", "2001:db8:18::1", "203.0.113.9", "2001:db8:99::9")...)
	forged = append(forged, s.gateways...)
	for _, from := range forged {
		add := []string{"address", "add", netip.PrefixFrom(from, from.BitLen()).String(), "dev", "lo"}
		if from.Is6() {
			add = append(add, "nodad")
		}
		ip(t, a, add...)
		send(from, "forged "+from.String())
	}
	for _, own := range la.Addresses {
		send(own, "own")
	}
	for range la.Addresses {
		_ = heard.SetReadDeadline(time.Now().Add(patience))
		text := make([]byte, 100)
		n, from, err := heard.ReadFrom(text)
		if err != nil || string(text[:n]) != "own" {
			t.Errorf("%q of %v arrives, %v", text[:n], from, err)
		}
	}
	if n := s.Stats().Spoofed; n < uint64(len(forged)) || *(Auditor{s}).Spoofed("a.ini") != n || *(Auditor{s}).Spoofed("b.ini") != 0 {
		t.Errorf("%d of %d forged packets are counted, %d of them for a, %d for b", n, len(forged), *(Auditor{s}).Spoofed("a.ini"), *(Auditor{s}).Spoofed("b.ini"))
	}
}

// Stages that start at the same time choose different pools, and two of one pool are an error.
func TestStagesOfOneHost(t *testing.T) {
	if !isolated(t) {
		return
	}
	ip(t, netns.None(), "link", "set", "lo", "up")
	stages := make(chan *Stage)
	const n = 6
	for range n {
		dir := t.TempDir() + "/network"
		go func() {
			s, err := Open(Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Error(err)
			}
			stages <- s
		}()
	}
	var open []*Stage
	seen := map[string]bool{}
	for range n {
		s := <-stages
		if s == nil {
			continue
		}
		open = append(open, s)
		for _, p := range s.pool.Prefixes() {
			if seen[p.String()] {
				t.Errorf("%s twice", p)
			}
			seen[p.String()] = true
		}
	}
	if len(open) > 0 {
		if s, err := Open(Config{Dir: t.TempDir() + "/network", Pool: open[0].pool.Prefixes(), Log: slog.New(slog.DiscardHandler)}); err == nil {
			t.Error("two stages have one pool")
			_ = s.Close()
		}
	}
	for _, s := range open {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if left := ip(t, netns.None(), "-o", "address", "show", "dev", "lo"); strings.Contains(left, "10.") {
		t.Errorf("left: %s", left)
	}
}

// A chain of iptables-legacy that drops is found, which nftables does not show.
func TestForeignDropsOfLegacyTables(t *testing.T) {
	if !isolated(t) {
		return
	}
	for i, command := range []string{"iptables-legacy", "ip6tables-legacy"} {
		path, err := exec.LookPath(command)
		if err != nil {
			t.Skip("iptables-legacy is not installed")
		}
		if drops := legacies[i].drops(hookForward, ""); drops {
			t.Error("a chain that is not there drops")
		}
		for _, c := range []struct {
			rules []string
			want  bool
		}{
			{[]string{"-A INPUT -p tcp -j DROP", "-P FORWARD ACCEPT"}, false},
			{[]string{"-P FORWARD DROP"}, true},
			{[]string{"-A FORWARD -p tcp -j ACCEPT", "-A FORWARD -p tcp -j DROP"}, true},
			{[]string{"-P FORWARD ACCEPT"}, false},
			{[]string{"-A FORWARD -j DROP"}, true},
			{[]string{"-F FORWARD", "-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT", "-A FORWARD -j REJECT"}, true},
			{[]string{"-I FORWARD -j ACCEPT"}, false},
			{[]string{"-F FORWARD", "-N other", "-A FORWARD -j other", "-A FORWARD -i eth7 -j REJECT"}, false},
		} {
			for _, rule := range c.rules {
				if out, err := exec.Command(path, strings.Fields(rule)...).CombinedOutput(); err != nil {
					t.Skipf("%s %s: %v\n%s", command, rule, err, out)
				}
			}
			if got := legacies[i].drops(hookForward, ""); got != c.want {
				t.Errorf("%s after %q: %v", command, c.rules, got)
			}
		}
	}
}

// A chain of nftables that rejects the rest by its last rule is found as well.
func TestForeignChainsThatReject(t *testing.T) {
	if !isolated(t) {
		return
	}
	nft(t, "add table inet firewalld; add chain inet firewalld FORWARD { type filter hook forward priority 10; policy accept; }")
	for _, step := range []struct {
		rule string
		want int
	}{
		{"add rule inet firewalld FORWARD ct state established accept", 0},
		{"add rule inet firewalld FORWARD ct state invalid drop", 0},
		{"add rule inet firewalld FORWARD counter reject with icmpx admin-prohibited", 1},
		{"insert rule inet firewalld FORWARD accept", 0},
		{"flush chain inet firewalld FORWARD; add rule inet firewalld FORWARD counter drop", 1},
		{"insert rule inet firewalld FORWARD iifname evs* accept", 0},
	} {
		nft(t, step.rule)
		if got := foreignDrops("", false); len(got) != step.want {
			t.Errorf("after %q: %v", step.rule, got)
		}
	}
}

// A stage that may not change the host's forwarding names the settings, and a pool that the host
// uses is refused.
func TestStageRefusesToOpen(t *testing.T) {
	if !isolated(t) {
		return
	}
	outside(t)
	before := settled(t)
	for want, change := range map[string]func(*Config){
		"sysctl -w net.ipv4.conf.up0.forwarding=1": func(c *Config) { c.CheckForwarding = true },
		"overlaps 198.18.0.0/30":                   func(c *Config) { c.Pool = prefixes("198.18.0.0/16") },
	} {
		c := Config{Dir: t.TempDir() + "/network", Pool: prefixes("10.9.0.0/24", "fd09::/64"), Log: slog.New(slog.DiscardHandler)}
		change(&c)
		s, err := Open(c)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if s != nil && err == nil {
			s.Close()
		}
	}
	if after := settled(t); after != before {
		t.Errorf("the host was\n%s\nand is\n%s", before, after)
	}
}

// An Up whose time is over leaves nothing.
func TestUpInVain(t *testing.T) {
	if !isolated(t) {
		return
	}
	ip(t, netns.None(), "link", "set", "lo", "up")
	s := openStage(t, nil)
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Up(ctx, Request{Vassal: "a.ini", Generation: 1, Wish: routed(t), Netns: newNetns(t)}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if links := ip(t, netns.None(), "-o", "link"); strings.Contains(links, "evs") {
		t.Errorf("left: %s", links)
	}
}
