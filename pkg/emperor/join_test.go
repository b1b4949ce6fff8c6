package emperor

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// guestOfHost makes guest.ini a vassal for the network of host.ini.
func guestOfHost(o *Options) {
	o.Concurrency = 1
	o.Check = func(c monitor.Config) (f Facts, _ error) {
		if c.Name == "guest.ini" {
			f.Network = spec.Wish{Mode: spec.Mode{Kind: spec.Join, Of: "host"}}
		}
		return f, nil
	}
}

// A vassal stops behind the vassals in its network, and they follow its next process.
func TestGuestsEndBeforeTheirHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, guestOfHost)
		s.put("guest.ini", "1")
		s.put("host.ini", "2")
		pass(time.Second)
		s.expect(t, "launch host.ini#1 2, launch guest.ini#1 1")
		if err := s.operator(t, "host.ini", Restart); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		got := s.since() // the guest is cleared up beside its host
		if before, after, ok := strings.Cut(got, "clear guest.ini#1, "); !ok || !strings.HasPrefix(before, "dead guest.ini#1 exit status 0, ") ||
			before+after != "dead guest.ini#1 exit status 0, dead host.ini#1 exit status 0, clear host.ini#1, launch host.ini#2 2, launch guest.ini#2 1" {
			t.Error(got)
		}
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
}

// A guest that waits for its launch while its host ends waits for the next process of the host, too.
func TestGuestInTheLineFollowsItsHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, guestOfHost)
		s.put("host.ini", "stubborn")
		s.put("slow.ini", "slow-launch")
		s.put("guest.ini", "1")
		if r := s.record(t, "guest.ini"); r.State != Queued {
			t.Fatalf("it is %s", r.State)
		}
		if err := s.operator(t, "host.ini", Stop); err != nil {
			t.Fatal(err)
		}
		if r := s.record(t, "guest.ini"); r.State != Idle || !strings.Contains(r.Why, "it waits for host.ini") {
			t.Errorf("it is %s (%s)", r.State, r.Why)
		}
		pass(2 * time.Minute)
		if h := s.since(); strings.Contains(h, "launch guest.ini") {
			t.Errorf("it is launched into a network that ends: %s", h)
		}
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
}
