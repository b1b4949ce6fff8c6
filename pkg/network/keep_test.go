package network

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"testing"
)

// sameNumber returns two names that lead to one number of a pool with 254 addresses.
func sameNumber(t *testing.T) (one, other string) {
	t.Helper()
	p := newPool(t, t.TempDir(), "10.9.0.0/24")
	at := map[netip.Addr]string{}
	for i := range 1000 {
		p.leases, p.taken = map[string]*lease{}, map[uint64]*lease{}
		name := fmt.Sprintf("v%d.ini", i)
		list, _ := mustLease(t, p, name)
		if before, taken := at[list[0]]; taken {
			return before, name
		}
		at[list[0]] = name
	}
	t.Fatal("no two names share a number")
	return "", ""
}

// Vassals have the same addresses and hardware addresses after a stop of their emperor, in whichever order they are connected.
// Vassals that had gone before leave nothing, and Collect removes the rest.
func TestAddressesAreKeptOverAStop(t *testing.T) {
	if !isolated(t) {
		return
	}
	outside(t)
	before := settled(t)
	dir := t.TempDir() + "/network"
	open := func() *Stage {
		return openStage(t, func(c *Config) { withBridge(c); c.Dir = dir; c.Pool = prefixes("10.9.0.0/24", "fd09::/64") })
	}
	a, b := sameNumber(t)
	had := map[string]string{}
	for life, order := range [][]string{{a, b, "gone.ini", "bridged.ini"}, {b, a}, {"bridged.ini", b}, {a, "bridged.ini", b}} {
		s := open()
		for _, name := range order {
			wish := routed(t)
			if name == "bridged.ini" {
				wish = onBridge(t, "")
			}
			l := up(t, s, name, newNetns(t), wish)
			now := fmt.Sprint(l.Addresses, l.peerMAC, l.hostMAC)
			if was := had[name]; was != "" && was != now {
				t.Errorf("life %d: %s has %s, had %s", life, name, now, was)
			}
			had[name] = now
			if err := s.Down(l); err != nil {
				t.Fatal(err)
			}
		}
		s.Forget("gone.ini")
		for _, name := range []string{a, b, "bridged.ini"} { // the emperor has all of them, also ones that it has not started
			Leave(s, name)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if after := settled(t); after != before {
			t.Fatalf("life %d: the host has changed:\n%s", life, difference(before, after))
		}
		links, others, err := Left(dir)
		if err != nil || len(links)+len(others) > 0 {
			t.Errorf("life %d: left are %q, %q, %v", life, links, others, err)
		}
		want := []string{"lease of " + a, "lease of " + b, "lease of bridged.ini"}
		slices.Sort(want)
		if got := Kept(dir); !slices.Equal(got, want) {
			t.Errorf("life %d: kept are %q", life, got)
		}
	}
	if s, err := Open(Config{Dir: dir, Pool: prefixes("198.18.0.0/24"), Log: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("a pool that the host uses is taken")
		s.Close()
	}
	if got := Kept(dir); len(got) != 3 {
		t.Errorf("after a start that failed: %q", got)
	}
	if err := Collect(dir, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("records are left: %v", err)
	}
}

// The next stage without vassals removes the leases of an emperor that stopped.
func TestLeasesOfVassalsThatDoNotComeBack(t *testing.T) {
	if !isolated(t) {
		return
	}
	outside(t)
	dir := t.TempDir() + "/network"
	for _, left := range []int{1, 0} {
		s := openStage(t, func(c *Config) { c.Dir = dir })
		if left > 0 {
			if err := s.Down(up(t, s, "a.ini", newNetns(t), routed(t))); err != nil {
				t.Fatal(err)
			}
			Leave(s, "a.ini")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if got := Kept(dir); len(got) != left {
			t.Errorf("kept are %q", got)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("records are left: %v", err)
	}
}
