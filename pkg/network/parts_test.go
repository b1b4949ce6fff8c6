package network

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netns"
)

// awaitAudit returns when the audit finds no difference.
func awaitAudit(t *testing.T, s *Stage, after string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		r, err := (Auditor{s}).Audit(known("a.ini", "b.ini"))
		if err == nil && len(r.Problems) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after %s: %q, %v", after, r.Problems, err)
		}
	}
}

// A gateway's address, the unreachable route of a pool, the hardware address of a link and a permanent neighbour that another
// program deletes or changes come back, with the routes that the kernel has deleted, and clients get answers.
func TestPartsOfTheHostComeBack(t *testing.T) {
	if !isolated(t) {
		return
	}
	outside(t)
	before := settled(t)
	events := make(reports, 16)
	s := openStage(t, func(c *Config) { c.Event = func(text string) { events <- text } })
	a := newNetns(t)
	l, lost := watchedLink(t, s, "a.ini", a, nil)
	serve(t, a, 8080, "a")
	whole := world(t)
	host, metric := l.HostInterface, fmt.Sprint(s.id.metric())
	for _, c := range []struct {
		name  string
		harm  []string
		event string
	}{
		{"the gateway of IPv4", []string{"address", "delete", l.Gateways[0].String() + "/32", "dev", "lo"}, "gateway's address " + l.Gateways[0].String()},
		{"the gateway of IPv6", []string{"address", "delete", l.Gateways[1].String() + "/128", "dev", "lo"}, "gateway's address " + l.Gateways[1].String()},
		{"the unreachable route of IPv4", []string{"route", "delete", "unreachable", "10.9.0.0/24", "metric", metric}, "unreachable route to the pool 10.9.0.0/24"},
		{"the unreachable route of IPv6", []string{"-6", "route", "delete", "unreachable", "fd09::/64", "metric", metric}, "unreachable route to the pool fd09::/64"},
		{"the hardware address", []string{"link", "set", host, "address", "02:00:00:00:00:01"}, ""},
	} {
		ip(t, netns.None(), c.harm...)
		if c.event != "" {
			events.expect(t, c.name, "another program has deleted the "+c.event, "; it is made again")
		}
		if c.name == "the hardware address" {
			lost.expect(t, c.name)
		}
		awaitAudit(t, s, c.name)
		works(t, l, c.name)
		time.Sleep(mendPause)
		for len(lost) > 0 {
			<-lost
		}
	}
	for i, own := range l.Addresses {
		harm := [][]string{{"neighbour", "replace", own.String(), "lladdr", "02:00:00:00:00:01", "nud", "permanent", "dev", host}, {"neighbour", "delete", own.String(), "dev", host}}[i]
		ip(t, netns.None(), harm...)
		r, err := (Auditor{s}).Audit(known("a.ini"))
		if text := strings.Join(r.Problems, "\n"); err != nil || !strings.Contains(text, "a.ini: another program has changed or deleted the permanent neighbour "+own.String()) {
			t.Errorf("%v: %q, %v", harm, text, err)
		}
		awaitAudit(t, s, strings.Join(harm, " "))
		works(t, l, strings.Join(harm, " "))
		time.Sleep(mendPause)
	}
	awaitWorld(t, whole)
	ip(t, a, "link", "set", "eth0", "address", "02:00:00:00:00:02")
	if why := strings.Join((Auditor{s}).Inside("a.ini", a), "\n"); !strings.Contains(why, "has changed the hardware address of its interface eth0") || !strings.Contains(why, "emperor restart a.ini") {
		t.Errorf("the vassal's hardware address: %q", why)
	}
	ip(t, a, "link", "set", "eth0", "address", l.peerMAC.String())
	if why := strings.Join((Auditor{s}).Inside("a.ini", a), "\n"); !strings.Contains(why, "has changed or deleted the permanent neighbour "+l.Gateways[1].String()) {
		t.Errorf("the neighbours in the vassal: %q", why)
	}
	ip(t, a, "neighbour", "replace", l.Gateways[1].String(), "lladdr", l.hostMAC.String(), "nud", "permanent", "dev", "eth0")
	if why := (Auditor{s}).Inside("a.ini", a); len(why) > 0 {
		t.Errorf("after the remedy: %q", why)
	}
	works(t, l, "the remedy")
	if err := s.Down(l); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if after := settled(t); after != before {
		t.Errorf("the host has changed:\n%s", difference(before, after))
	}
}

// works checks that the host reaches the server of a vassal.
func works(t *testing.T, l *Link, after string) {
	t.Helper()
	for _, a := range l.Addresses {
		if got, err := ask(t, here(t), netip.AddrPortFrom(a, 8080).String()); err != nil || !strings.HasPrefix(got, "a for ") {
			t.Errorf("after %s: the host reaches it at %s: %q, %v", after, a, got, err)
		}
	}
}

// awaitWorld returns when the network of the host is as it was.
func awaitWorld(t *testing.T, want string) {
	t.Helper()
	lines := func(text string) string {
		kept := map[string]bool{}
		for line := range strings.Lines(text) {
			kept[line] = true
		}
		return fmt.Sprint(kept) // sorted
	}
	for end := time.Now().Add(patience); lines(world(t)) != lines(want); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the host has changed:\n%s", difference(want, world(t)))
		}
	}
}

// An Up makes the gateway's address again, without which the kernel refuses the routes.
func TestUpMakesTheGatewayAgain(t *testing.T) {
	if !isolated(t) {
		return
	}
	outside(t)
	s := openStage(t, nil)
	defer s.Close()
	s.ups.close() // no event is seen
	defer func() { s.ups = nil }()
	ip(t, netns.None(), "address", "delete", s.gateways[0].String()+"/32", "dev", "lo")
	a := newNetns(t)
	serve(t, a, 8080, "a")
	works(t, up(t, s, "a.ini", a, routed(t)), "the deletion")
}

// A stage whose records were deleted takes its changes of the host back, and the next one has the same pool.
func TestLostRecords(t *testing.T) {
	if !isolated(t) {
		return
	}
	outside(t)
	before := settled(t)
	for range 2 {
		s := openStage(t, nil)
		if err := os.RemoveAll(s.config.Dir); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if after := settled(t); after != before {
			t.Errorf("the host has changed:\n%s", difference(before, after))
		}
	}
}
