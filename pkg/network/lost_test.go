package network

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// An emperor that was killed and whose runtime directory is lost leaves nothing: the next one with the same pool removes its parts,
// or CollectLost does. Emperors that live keep theirs.
func TestLostDirectory(t *testing.T) {
	if !isolated(t) {
		return
	}
	outside(t)
	before := settled(t)
	living := openStage(t, func(c *Config) { c.Pool = prefixes("10.7.0.0/24", "fd07::/64") })
	neighbour, far := newNetns(t), newNetns(t)
	serve(t, neighbour, 8080, "neighbour")
	other := up(t, living, "a.ini", neighbour, routed(t))
	beside := settled(t)
	for _, next := range []string{"stage", "collect"} {
		dir := t.TempDir() + "/network"
		s := openStage(t, func(c *Config) { withBridge(c); c.Dir = dir })
		a := up(t, s, "a.ini", far, routed(t, "8001:80"))
		up(t, s, "b.ini", newNetns(t), onBridge(t, ""))
		if pools, err := Lost(t.TempDir()); err != nil || len(pools) > 0 {
			t.Errorf("while it lives: %q, %v", pools, err)
		}
		abandon(s)
		if pools, err := Lost(dir); err != nil || len(pools) > 0 {
			t.Errorf("with its records: %q, %v", pools, err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if pools, err := Lost(dir); err != nil || len(pools) != 1 || !strings.Contains(pools[0], "10.9.0.0/24") || !strings.Contains(pools[0], "fd09::/64") {
			t.Errorf("after a kill: %q, %v", pools, err)
		}
		for _, lack := range Examine(Needs{Dir: dir, Pool: prefixes("10.9.0.0/24", "fd09::/64")}) {
			t.Errorf("the start lacks %v", lack)
		}
		if next == "stage" {
			s = openStage(t, withBridge)
			if fresh := up(t, s, "a.ini", newNetns(t), routed(t, "8001:80")); !slices.Equal(fresh.Addresses, a.Addresses) {
				t.Errorf("it had %v and has %v", a.Addresses, fresh.Addresses)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		} else if err := CollectLost(slog.New(slog.DiscardHandler)); err != nil {
			t.Error(err)
		}
		if after := settled(t); after != beside {
			t.Fatalf("%s: the host has changed:\n%s", next, difference(beside, after))
		}
		if links := ip(t, netns.None(), "-o", "link"); strings.Contains(links, "br-test") {
			t.Errorf("left: %s", links)
		}
	}
	if got, err := ask(t, here(t), fmt.Sprintf("%s:8080", other.Addresses[0])); err != nil || !strings.HasPrefix(got, "neighbour") {
		t.Errorf("the other emperor's vassal: %q, %v", got, err)
	}
	if err := living.Close(); err != nil {
		t.Error(err)
	}
	if after := settled(t); after != before {
		t.Errorf("the host has changed:\n%s", difference(before, after))
	}
}

// The presence of an emperor ends with it, and two do not have one group.
func TestPresence(t *testing.T) {
	if !isolated(t) {
		return
	}
	first, err := beThere(0x65000010)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := beThere(0x65000010); err == nil || !strings.Contains(err.Error(), unix.EADDRINUSE.Error()) {
		t.Errorf("two emperors have one group: %v", err)
	}
	first.end()
	second, err := beThere(0x65000010)
	if err != nil {
		t.Error(err)
	}
	second.end()
}
