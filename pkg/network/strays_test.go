package network

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netns"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// known lists vassals for an audit.
func known(names ...string) func() ([]string, error) {
	return func() ([]string, error) { return names, nil }
}

// An audit finds all that other programs have changed, and strays are collected.
func TestAudit(t *testing.T) {
	if !isolated(t) {
		return
	}
	ip(t, netns.None(), "link", "set", "lo", "up")
	s := openStage(t, nil)
	defer s.Close()
	a, b := up(t, s, "a.ini", newNetns(t), routed(t)), up(t, s, "b.ini", newNetns(t), routed(t))
	vassals := known("a.ini", "b.ini")
	report := func() Report {
		t.Helper()
		r, err := Auditor{s}.Audit(vassals)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := report(); len(r.Problems) > 0 || len(r.Links) != 2 || r.Links[0].Vassal != "a.ini" {
		t.Errorf("%+v", r)
	}
	group := fmt.Sprint(s.id.Group())
	ip(t, netns.None(), "link", "add", "stray0", "group", group, "type", "veth", "peer", "name", "stray1")
	ip(t, netns.None(), "route", "delete", a.Addresses[0].String())
	ip(t, netns.None(), "link", "delete", b.HostInterface)
	text := strings.Join(report().Problems, "\n")
	for _, want := range []string{"a.ini: another program has deleted the route to " + a.Addresses[0].String(), "b.ini: another program has deleted its link " + b.HostInterface, "link stray0 belongs to no vassal"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	for _, dry := range []bool{true, false} {
		if links, others, err := (Auditor{s}).CollectStray(vassals, dry); err != nil || fmt.Sprint(links, others) != "[stray0] []" {
			t.Errorf("dry %v: %v, %v, %v", dry, links, others, err)
		}
	}
	if links := ip(t, netns.None(), "-o", "link"); strings.Contains(links, "stray") || !strings.Contains(links, a.HostInterface) {
		t.Errorf("collected too little or too much: %s", links)
	}
	if n := s.Stats(); n.Links != 2 || n.Restored != 0 || n.Spoofed != 0 {
		t.Errorf("stats: %+v", n)
	}
}

// Each kind of stray is found by itself, named, and collected; the vassal beside it, another emperor, and routes of
// its protocol that lead elsewhere, are not touched.
func TestEachKindOfStray(t *testing.T) {
	if !isolated(t) {
		return
	}
	outside(t)
	ip(t, netns.None(), "route", "add", "192.0.2.0/24", "via", "198.18.0.2", "proto", "231")
	other := openStage(t, func(c *Config) { c.Pool = prefixes("10.7.0.0/24") })
	defer other.Close()
	up(t, other, "a.ini", newNetns(t), routed(t, "8009:80"))
	s := openStage(t, withBridge)
	defer s.Close()
	a := up(t, s, "a.ini", newNetns(t), routed(t, "8001:8080", "198.18.0.1:8002:80/udp"))
	up(t, s, "b.ini", newNetns(t), onBridge(t, ""))
	id, group := s.id, fmt.Sprint(s.id.Group())
	table := func(words ...string) { t.Helper(); nft(t, words...) }
	vassals := []string{"a.ini", "b.ini"}
	audit := func() []string {
		t.Helper()
		r, err := Auditor{s}.Audit(known(vassals...))
		if err != nil {
			t.Fatal(err)
		}
		return r.Problems
	}
	if found := audit(); len(found) > 0 {
		t.Fatalf("before: %q", found)
	}
	before := settled(t)
	for _, c := range []struct {
		want string
		make func()
	}{
		{"link stray0", func() {
			ip(t, netns.None(), "link", "add", "stray0", "group", group, "type", "veth", "peer", "name", "stray1")
		}},
		{"route to 10.9.0.77/32", func() { ip(t, netns.None(), "route", "add", "10.9.0.77/32", "dev", "up0", "proto", "231") }},
		{"route to fd09::77/128", func() { ip(t, netns.None(), "-6", "route", "add", "fd09::77", "dev", "up0", "proto", "231") }},
		{"route to 203.0.113.0/24", func() {
			ip(t, netns.None(), "route", "add", "203.0.113.0/24", "dev", a.HostInterface, "proto", "231")
		}},
		{"element { tcp . 9999 } in the set publish4 of the table " + id.Table(), func() {
			table("add", "element", "inet", id.Table(), "publish4", "{ tcp . 9999 : 10.9.0.9 . 80 }")
		}},
		{"element { 192.0.2.1 . 10.9.0.9 . tcp . 80 - 192.0.2.9 . 10.9.0.9 . tcp . 90 } in the set open4 of the table " + id.Table(), func() {
			table("add", "element", "inet", id.Table(), "open4", "{ 192.0.2.1-192.0.2.9 . 10.9.0.9 . tcp . 80-90 }")
		}},
		{"chain other of the table " + id.Table(), func() { table("add", "chain", "inet", id.Table(), "other") }},
		{"rule in the chain forward of the table " + id.Table(), func() { table("insert", "rule", "inet", id.Table(), "forward", "accept") }},
		{"set blocked of the table " + id.Table(), func() {
			table("add", "set", "inet", id.Table(), "blocked", "{ type ipv4_addr; }")
		}},
		{"set more of the table " + id.Table(), func() {
			table("add", "map", "inet", id.Table(), "more", "{ type inet_service : ipv4_addr; }")
		}},
		{"guard of the link evsgone", func() {
			table("add", "chain", "netdev", id.Table(), "evsgone")
			table("add", "rule", "netdev", id.Table(), "evsgone", "accept")
		}},
		{"element { udp . 7777 } in the set publish6", func() { // put in for a vassal that the stage has lost
			l := &Link{Addresses: addresses("fd09::9")}
			if err := s.table.Replace(nil, elementsOf(l.Addresses, publications(t, "7777:80/udp"), nil)[1:]); err != nil {
				t.Fatal(err)
			}
		}},
		{"neighbour fd08::99", func() {
			ip(t, netns.None(), "-6", "neighbour", "add", "fd08::99", "lladdr", "02:00:00:00:00:01", "dev", "br-test")
		}},
		{"lease of c.ini", func() {
			if _, _, err := s.pool.Lease("c.ini"); err != nil {
				t.Fatal(err)
			}
		}},
		{"lease of d.ini", func() {
			if err := s.bridge.pool.Fix("d.ini", addresses("10.8.0.66")[0]); err != nil {
				t.Fatal(err)
			}
		}},
		{"file " + leasesDir(s.config.Dir) + "/.new-1", func() {
			if err := os.WriteFile(leasesDir(s.config.Dir)+"/.new-1", []byte("half"), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		c.make()
		if found := audit(); !slices.Equal(found, []string{c.want + " belongs to no vassal (emperor net gc)"}) {
			t.Errorf("%s: the audit finds %q", c.want, found)
		}
		for _, dry := range []bool{true, false} {
			links, others, err := (Auditor{s}).CollectStray(known(vassals...), dry)
			if found := append(links, others...); err != nil || len(found) != 1 || !strings.HasSuffix(c.want, found[0]) {
				t.Errorf("%s: collected %q, %v", c.want, found, err)
			}
		}
		if found := audit(); len(found) > 0 {
			t.Fatalf("%s: after that: %q", c.want, found)
		}
		if after := settled(t); difference(before, after) != "" {
			t.Errorf("%s: the host has changed:\n%s", c.want, difference(before, after))
		}
		if files, err := os.ReadDir(leasesDir(s.config.Dir)); err != nil || len(files) > 3 {
			t.Errorf("%s: files of leases: %v, %v", c.want, files, err)
		}
	}
	if holders := append(s.pool.holders(), s.bridge.pool.holders()...); len(holders) != 2 {
		t.Errorf("the holders of addresses are %q", holders)
	}
}

// Connections that come and go while the network is audited and strays are collected are no strays.
func TestStraysWhileVassalsComeAndGo(t *testing.T) {
	if !isolated(t) {
		return
	}
	ip(t, netns.None(), "link", "set", "lo", "up")
	sweeper := namespaces.NewSweeper()
	defer sweeper.Close()
	s := openStage(t, func(c *Config) { withBridge(c); c.Sweeper = sweeper })
	defer s.Close()
	const vassals, rounds = 6, 40
	var names []string
	done := make(chan error, vassals)
	for i := range vassals {
		name, ns := fmt.Sprintf("v%d.ini", i), newNetns(t)
		names = append(names, name)
		wish := routed(t, fmt.Sprintf("%d:80", 8000+i))
		if i%2 == 1 {
			wish = onBridge(t, "", fmt.Sprintf("%d:80", 8000+i))
		}
		go func() {
			for generation := range rounds {
				l, err := s.Up(t.Context(), Request{Vassal: name, Generation: uint64(generation), Wish: wish, Netns: ns})
				if err == nil {
					err = s.Down(l)
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for left := vassals; left > 0; {
		select {
		case err := <-done:
			left--
			if err != nil {
				t.Error(err)
			}
		default:
			links, others, err := Auditor{s}.CollectStray(known(names...), false)
			if err != nil || len(links)+len(others) > 0 {
				t.Errorf("collected %q, %q, %v", links, others, err)
			}
		}
	}
}

// Left names all that a killed stage has left, and Collect removes it, with a route to the pool that the links have not
// taken with them. Other emperors are not touched.
func TestLeft(t *testing.T) {
	if !isolated(t) {
		return
	}
	outside(t)
	before := settled(t)
	dir := t.TempDir() + "/network"
	if links, others, err := Left(dir); err != nil || len(links)+len(others) > 0 {
		t.Errorf("without records: %q, %q, %v", links, others, err)
	}
	other := openStage(t, func(c *Config) { c.Pool = prefixes("10.7.0.0/24") })
	up(t, other, "a.ini", newNetns(t), routed(t))
	beside := settled(t)
	s := openStage(t, func(c *Config) { withBridge(c); c.Dir = dir })
	a := up(t, s, "a.ini", newNetns(t), routed(t, "8001:80"))
	b := up(t, s, "b.ini", newNetns(t), onBridge(t, ""))
	abandon(s)
	ip(t, netns.None(), "route", "add", "10.9.0.77/32", "dev", "up0", "proto", "231")
	links, others, err := Left(dir)
	if err != nil || len(links) != 3 || !slices.Contains(links, a.HostInterface) || !slices.Contains(links, b.HostInterface) || !slices.Contains(links, "br-test") {
		t.Errorf("links: %q, %v", links, err)
	}
	for _, want := range []string{
		"route to 10.9.0.77/32", "route to " + a.Addresses[0].String() + "/32", "route to " + a.Addresses[1].String() + "/128", "route to 10.9.0.0/24", "route to fd09::/64",
		"table inet " + s.id.Table(), "table netdev " + s.id.Table(), "address 10.9.0.1/32 of the interface lo", "address fd09::1/128 of the interface lo", "lease of a.ini", "lease of b.ini",
	} {
		if !slices.Contains(others, want) {
			t.Errorf("%q is missing in %q", want, others)
		}
	}
	if err := Collect(dir, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if after := settled(t); after != beside {
		t.Errorf("the host has changed:\n%s", difference(beside, after))
	}
	if links, others, err := Left(dir); err != nil || len(links)+len(others) > 0 {
		t.Errorf("afterwards: %q, %q, %v", links, others, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its records are left: %v", err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if after := settled(t); after != before {
		t.Errorf("the host has changed:\n%s", difference(before, after))
	}
}
