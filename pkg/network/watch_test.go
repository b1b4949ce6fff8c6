package network

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// reports collects the reports about the link of a vassal.
type reports chan string

func (r reports) expect(t *testing.T, after string, parts ...string) {
	t.Helper()
	select {
	case got := <-r:
		for _, part := range parts {
			if !strings.Contains(got, part) {
				t.Errorf("after %s: %q is reported, without %q", after, got, part)
			}
		}
		if len(parts) == 0 && got != "" {
			t.Errorf("after %s: %q is reported", after, got)
		}
	case <-time.After(patience):
		t.Fatalf("after %s: nothing is reported", after)
	}
}

func (r reports) expectNone(t *testing.T, after string) {
	t.Helper()
	if len(r) > 0 {
		t.Errorf("after %s: %q is reported", after, <-r)
	}
}

// settle returns when the watcher has examined the links of all events so far.
func settle(w *Watcher) {
	for range 2 { // the end of the second begins after the first one is examined
		w.hint(0)
		for left := 1; left > 0; time.Sleep(time.Millisecond) {
			w.mu.Lock()
			left = len(w.hints)
			w.mu.Unlock()
		}
	}
}

// watchedLink connects a vassal whose losses are reported.
func watchedLink(t *testing.T, s *Stage, name string, at netns.NsHandle, change func(*Request)) (*Link, reports) {
	t.Helper()
	lost := make(reports, 16)
	r := Request{Vassal: name, Generation: 1, Wish: routed(t), Netns: at, Lost: func(reason string) { lost <- reason }}
	if change != nil {
		change(&r)
	}
	l, err := s.Up(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return l, lost
}

// An old event about a link is no loss: the state of the link is read.
func TestLateEventOfALink(t *testing.T) {
	if !isolated(t) {
		return
	}
	ip(t, netns.None(), "link", "set", "lo", "up")
	w, err := NewWatcher(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	lost := make(reports, 2)
	w.Watch(loopback, func(reason string) { lost <- reason })
	down := namespaces.LinkEvent{LinkFacts: namespaces.LinkFacts{Index: loopback}}
	w.take(down)
	settle(w)
	lost.expectNone(t, "a late event")
	ip(t, netns.None(), "link", "set", "lo", "down")
	lost.expect(t, "the loss", "has set it down")

	ip(t, netns.None(), "link", "set", "lo", "up")
	s := openStage(t, nil)
	defer s.Close()
	l, lost := watchedLink(t, s, "a.ini", newNetns(t), nil)
	down.Index = l.Index
	for range 3 { // as after a repair
		s.watch.take(down)
		settle(s.watch)
	}
	lost.expectNone(t, "late events of a link of the stage")
	ip(t, netns.None(), "link", "set", l.HostInterface, "down")
	lost.expect(t, "the loss", "has set its link "+l.HostInterface+" down (ip link set "+l.HostInterface+" up")
}

// A link that another program deletes is reported, and a link that the stage deletes is not. One that
// is set up again is repaired, also when no event showed it down, and so is a route that is deleted.
func TestLostLink(t *testing.T) {
	if !isolated(t) {
		return
	}
	ip(t, netns.None(), "link", "set", "lo", "up")
	s := openStage(t, nil)
	defer s.Close()
	inC := newNetns(t)
	a, lostA := watchedLink(t, s, "a", newNetns(t), nil)
	b, lostB := watchedLink(t, s, "b", newNetns(t), nil)
	c, lost := watchedLink(t, s, "c", inC, nil)
	if err := s.Down(a); err != nil {
		t.Fatal(err)
	}
	ip(t, netns.None(), "link", "delete", b.HostInterface)
	lostB.expect(t, "its end", "another program has deleted its link "+b.HostInterface, "emperor restart b")
	lostA.expectNone(t, "the end of another one")
	ip(t, netns.None(), "link", "set", c.HostInterface, "down")
	lost.expect(t, "down", "down (ip link set")
	ip(t, netns.None(), "link", "set", c.HostInterface, "up")
	lost.expect(t, "up")
	serve(t, inC, 8080, "c")
	works := func(after string) {
		t.Helper()
		for _, a := range c.Addresses {
			if got, err := ask(t, here(t), netip.AddrPortFrom(a, 8080).String()); err != nil || !strings.HasPrefix(got, "c for ") {
				t.Errorf("after %s: the host reaches c at %s: %q, %v", after, a, got, err)
			}
		}
	}
	works("up")
	time.Sleep(mendPause)
	ip(t, netns.None(), "route", "delete", c.Addresses[0].String())
	lost.expect(t, "the end of its route")
	works("the end of its route")
	ip(t, netns.None(), "link", "set", c.HostInterface, "down")
	lost.expect(t, "down again", "down (ip link set")
	for _, l := range []*Link{b, c} {
		if err := s.Down(l); err != nil {
			t.Error(err)
		}
	}
}

// Two programs that undo each other's changes do not take all time: repairs of one link have a pause.
func TestRepairsHaveAPause(t *testing.T) {
	if !isolated(t) {
		return
	}
	ip(t, netns.None(), "link", "set", "lo", "up")
	s := openStage(t, nil)
	defer s.Close()
	l, lost := watchedLink(t, s, "a.ini", newNetns(t), nil)
	route := l.Addresses[0].String()
	ip(t, netns.None(), "route", "delete", route)
	lost.expect(t, "the first time")
	began := time.Now()
	ip(t, netns.None(), "route", "delete", route)
	lost.expect(t, "the second time", "another program has deleted the route to "+route)
	lost.expect(t, "the pause")
	if took := time.Since(began); took < mendPause/2 {
		t.Errorf("it was repaired again after %v", took)
	}
}

// A route of the host that comes while a vassal runs and leads to its address is reported, stays, and
// is reported again when it has gone; so is a network that comes into the pool.
func TestForeignRouteWhileAVassalRuns(t *testing.T) {
	if !isolated(t) {
		return
	}
	outside(t)
	events := make(reports, 16)
	s := openStage(t, func(c *Config) { c.Event = func(text string) { events <- text } })
	defer s.Close()
	a := newNetns(t)
	l, lost := watchedLink(t, s, "a.ini", a, nil)
	serve(t, a, 8080, "a")
	for i, own := range l.Addresses {
		to := netip.PrefixFrom(own, own.BitLen()).String()
		how := [][]string{{"route", "replace", to, "dev", "up0"}, {"-6", "route", "add", to, "dev", "up0", "metric", "1"}}[i]
		ip(t, netns.None(), how...)
		lost.expect(t, strings.Join(how, " "), "this host has a route to "+to+" by up0 (ip route delete "+to)
		if why := strings.Join((Auditor{s}).Why("a.ini", a), "\n"); !strings.Contains(why, "this host has a route to "+to) {
			t.Errorf("why: %s", why)
		}
		if routes := ip(t, netns.None(), "-4", "route") + ip(t, netns.None(), "-6", "route"); !strings.Contains(routes, own.String()+" dev up0") || !strings.Contains(routes, "up0") {
			t.Errorf("the route of the host is gone: %s", routes)
		}
		del := []string{"route", "delete", to, "dev", "up0"}
		if own.Is6() {
			del = append([]string{"-6"}, del...)
		}
		ip(t, netns.None(), del...)
		lost.expect(t, "the end of the route")
		if got, err := ask(t, here(t), netip.AddrPortFrom(own, 8080).String()); err != nil || !strings.HasPrefix(got, "a for ") {
			t.Errorf("the host reaches it: %q, %v", got, err)
		}
	}
	for about := true; about; { // the addresses themselves
		select {
		case <-events:
		case <-time.After(300 * time.Millisecond):
			about = false
		}
	}
	ip(t, netns.None(), "route", "add", "10.9.0.128/25", "dev", "up0")
	events.expect(t, "a network in the pool", "10.9.0.128/25 of this host (up0) is in the pool 10.9.0.0/24")
	lost.expectNone(t, "a network in the pool")
	if r, err := (Auditor{s}).Audit(known("a.ini", "b.ini", "c.ini")); err != nil || !strings.Contains(fmt.Sprint(r.Problems), "10.9.0.128/25") {
		t.Errorf("%v, %v", r.Problems, err)
	}
	ip(t, netns.None(), "route", "delete", "10.9.0.128/25")
	events.expect(t, "its end", poolAlone)
	ip(t, netns.None(), "link", "add", "wg0", "type", "veth", "peer", "name", "wg1")
	ip(t, netns.None(), "address", "add", "10.9.0.200/28", "dev", "wg0")
	ip(t, netns.None(), "link", "set", "wg0", "up")
	events.expect(t, "an address in the pool", "10.9.0.192/28 of this host (wg0)")
	ip(t, netns.None(), "link", "delete", "wg0")
	events.expect(t, "the end of its interface", poolAlone)
}

// Each cause of a silent vassal has one line with its remedy.
func TestWhy(t *testing.T) {
	if !isolated(t) {
		return
	}
	outside(t)
	s := openStage(t, nil)
	defer s.Close()
	a := newNetns(t)
	l := up(t, s, "a.ini", a, routed(t, "8001:8080"))
	host := l.HostInterface
	forwarding := func(value, setting string) func() {
		return func() {
			if err := os.WriteFile(sysctls+"/"+setting, []byte(value), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	command := func(at netns.NsHandle, args ...string) func() { return func() { ip(t, at, args...) } }
	for _, c := range []struct {
		name       string
		harm       func()
		mend       func()
		want, hint string
	}{
		{"its link is down", command(netns.None(), "link", "set", host, "down"), func() { ip(t, netns.None(), "link", "set", host, "up"); s.examiner(l)() }, "another program has set its link " + host + " down", "ip link set " + host + " up"},
		{"its group", command(netns.None(), "link", "set", host, "group", "7"), command(netns.None(), "link", "set", host, "group", fmt.Sprint(s.id.Group())), "has changed the group of its link", "ip link set " + host + " group"},
		{"forwarding of its link", forwarding("0", "ipv4/conf/"+host+"/forwarding"), forwarding("1", "ipv4/conf/"+host+"/forwarding"), "forwarding off for its link", "sysctl -w net.ipv4.conf." + host + ".forwarding=1"},
		{"forwarding of the uplink", forwarding("0", "ipv4/conf/up0/forwarding"), forwarding("1", "ipv4/conf/up0/forwarding"), "vassals reach no other hosts", "sysctl -w net.ipv4.conf.up0.forwarding=1"},
		{"its interface is down", command(a, "link", "set", "eth0", "down"), func() {
			ip(t, a, "link", "set", "eth0", "up")
			ip(t, a, "route", "add", "default", "via", l.Gateways[0].String(), "dev", "eth0", "onlink")
		}, "its interface eth0 is down", "emperor enter a.ini -- ip link set eth0 up"},
		{"its routes", command(a, "route", "delete", "default"), command(a, "route", "add", "default", "via", l.Gateways[0].String(), "dev", "eth0", "onlink"), "has changed its routes", "emperor enter a.ini -- ip route"},
		{"its address", command(a, "address", "delete", l.Addresses[0].String(), "dev", "eth0"), func() {
			ip(t, a, "address", "add", l.Addresses[0].String(), "dev", "eth0")
			ip(t, a, "route", "replace", "default", "via", l.Gateways[0].String(), "dev", "eth0", "onlink")
		}, "has removed its address " + l.Addresses[0].String(), "emperor restart a.ini"},
		{"another firewall", func() {
			nft(t, "add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }")
		}, func() { nft(t, `add rule ip filter FORWARD iifname "evs*" accept`) }, `the chain "filter FORWARD" of another firewall drops`, "DOCKER-USER"},
	} {
		c.harm()
		why := Auditor{s}.Why("a.ini", a)
		if len(why) == 0 || !strings.Contains(why[len(why)-1], c.want) || !strings.Contains(why[len(why)-1], c.hint) {
			t.Errorf("%s: %q", c.name, why)
		}
		c.mend()
		if l.Addresses[0].Is4() && strings.HasPrefix(c.name, "its interface") {
			ip(t, a, "neighbour", "replace", l.Gateways[1].String(), "lladdr", l.hostMAC.String(), "nud", "permanent", "dev", "eth0")
			ip(t, a, "-6", "route", "add", "default", "via", l.Gateways[1].String(), "dev", "eth0", "onlink")
			ip(t, a, "-6", "address", "replace", l.Addresses[1].String()+"/128", "dev", "eth0", "nodad")
		}
		why = Auditor{s}.Why("a.ini", a)
		for deadline := time.Now().Add(5 * time.Second); len(why) > 0 && time.Now().Before(deadline); why = (Auditor{s}).Why("a.ini", a) {
			time.Sleep(10 * time.Millisecond) // the kernel sets the local route of an IPv6 address up later
		}
		if len(why) > 0 {
			t.Errorf("%s, after the remedy: %q", c.name, why)
		}
	}
	ip(t, netns.None(), "link", "delete", host)
	if why := (Auditor{s}).Why("a.ini", a); len(why) != 1 || !strings.Contains(why[0], "has deleted its link") || !strings.Contains(why[0], "network-lost = restart") {
		t.Errorf("its link is gone: %q", why)
	}
	if why := (Auditor{s}).Why("b.ini", a); len(why) > 0 {
		t.Errorf("a vassal that is not connected: %q", why)
	}
}

// A port that clients are led to and that no program serves has one line with its remedy.
func TestUnheard(t *testing.T) {
	at := func(texts ...string) (list []namespaces.Listener) {
		for _, text := range texts {
			address, udp := strings.CutSuffix(text, "/udp")
			list = append(list, namespaces.Listener{At: netip.MustParseAddrPort(address), UDP: udp})
		}
		return list
	}
	allow := func(text string) spec.Allowance {
		a, err := spec.ParseAllowance(text)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for _, c := range []struct {
		published, allowed string
		at                 []namespaces.Listener
		want               string
	}{
		{published: "8001:8080", at: at("0.0.0.0:8080")},
		{published: "8001:8080", at: at("[::]:8080", "127.0.0.1:8080")},
		{published: "8001:8080", at: at("127.0.0.1:8080"), want: "its program listens on 127.0.0.1:8080 only, which other hosts do not reach, and port 8001 of the host leads to it (let it listen on 0.0.0.0:8080 or [::]:8080)"},
		{published: "8001:8080", at: at("[::1]:8080"), want: "its program listens on [::1]:8080 only"},
		{published: "8001:8080", at: at("0.0.0.0:8000"), want: "no program in it listens on port 8080/tcp, and port 8001 of the host leads to it"},
		{published: "5353:53/udp", at: at("0.0.0.0:53"), want: "no program in it listens on port 53/udp"},
		{published: "5353:53/udp", at: at("0.0.0.0:53/udp")},
		{published: "30000-30100", at: at()},
		{allowed: "shop:5432", at: at("127.0.0.1:5432"), want: "its program listens on 127.0.0.1:5432 only, which other hosts do not reach, and network-allow = shop:5432 is about it"},
		{allowed: "shop", at: at()},
		{published: "8001:8080", allowed: "198.18.0.0/16:8080", at: at(), want: "port 8001 of the host"},
	} {
		var published []spec.Publication
		var allowed []spec.Allowance
		if c.published != "" {
			published = publications(t, c.published)
		}
		if c.allowed != "" {
			allowed = append(allowed, allow(c.allowed))
		}
		got := Unheard("a.ini", published, allowed, c.at)
		if (c.want == "") != (len(got) == 0) || len(got) > 1 || len(got) == 1 && !strings.Contains(got[0], c.want) {
			t.Errorf("%s %s: %q", c.published, c.allowed, got)
		}
	}
	if got := Loopback(at("127.0.0.1:80", "[::1]:80", "0.0.0.0:53/udp")); len(got) != 1 || !strings.Contains(got[0], "0.0.0.0:80") {
		t.Errorf("all at loopback: %q", got)
	}
	if got := Loopback(append(at("127.0.0.1:80", "0.0.0.0:81"), at()...)); len(got) > 0 {
		t.Errorf("one is reached: %q", got)
	}
	if got := Loopback(nil); len(got) > 0 {
		t.Errorf("no server: %q", got)
	}
}

// Packets to a vassal that does not run are refused at once: before its end by its namespace, which the
// stage holds, and then by the host, whose default route they do not take.
func TestAbsentVassalIsRefused(t *testing.T) {
	if !isolated(t) {
		return
	}
	outside(t)
	s := openStage(t, nil)
	defer s.Close()
	a, other := newNetns(t), newNetns(t)
	b := up(t, s, "b.ini", other, routed(t))
	l := up(t, s, "a.ini", a, routed(t))
	refused := func(when string, want error) {
		t.Helper()
		for _, own := range l.Addresses {
			began := time.Now()
			if _, err := ask(t, here(t), netip.AddrPortFrom(own, 8080).String()); !errors.Is(err, want) || time.Since(began) > time.Second/2 {
				t.Errorf("%s, from the host to %s: %v after %v", when, own, err, time.Since(began))
			}
		}
	}
	a.Close() // as at the end of its last process
	refused("a namespace without processes", unix.ECONNREFUSED)
	if err := s.Down(l); err != nil {
		t.Fatal(err)
	}
	refused("a vassal that does not run", unix.EHOSTUNREACH)
	began := time.Now()
	if _, err := ask(t, other, netip.AddrPortFrom(l.Addresses[0], 8080).String()); err == nil || time.Since(began) > time.Second/2 {
		t.Errorf("from a neighbour: %v after %v", err, time.Since(began))
	}
	if err := s.Down(b); err != nil {
		t.Fatal(err)
	}
}
