package workers

import (
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// besidePlan has a daemon and nothing else.
func besidePlan(program, address string) *Plan {
	return &Plan{
		Daemons: []config.Daemon{{Command: []string{program}, Text: program}}, Mercy: time.Minute, Hooks: hooks.Set{},
		Ready: config.Readiness{Timeout: 10 * time.Second, Probe: config.Probe{Kind: "tcp", Address: address}},
	}
}

// A vassal that has daemons only is ready when one of them answers its probe, at the start
// and in a reload.
func TestProbeOfDaemons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, besidePlan("queue", "up"))
		s.expect("start 1 queue, probe 0 of [1] and []")
		s.expectSaid("accepting")
		s.order(1, "same", besidePlan("queue2", "up"))
		time.Sleep(time.Millisecond)
		s.expectSaid("gap 1ns", "1 ready")
		s.order(2, "down", besidePlan("queue3", "down"))
		time.Sleep(9 * time.Second)
		s.expectSaid("gap 0s")
		time.Sleep(2 * time.Second)
		s.expectSaid("gap 10.000000002s", "2 undone the daemons were not ready within 10s: nothing listens; the old configuration was started again")
		if len(s.alive) != 1 || !slices.Contains(slices.Collect(maps.Values(s.alive)), "queue2") {
			t.Errorf("alive: %v", s.alive)
		}
		s.order(3, "down again", besidePlan("queue4", "down"))
		s.stop("<nil>")
		s = play(t, besidePlan("queue", "down"))
		s.expectSaid()
		if err := s.over(); err == nil || err.Error() != "the daemons were not ready within 10s: nothing listens" {
			t.Errorf("Run returned %v", err)
		}
	})
}

// The plan of a reload whose daemons are probed takes effect with their answer. A daemon that is ending
// does not answer for them.
func TestReloadOfDaemons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, besidePlan("stubborn queue", "up"))
		s.since()
		var did []string
		next := func(program, address string) *Plan {
			p := besidePlan(program, address)
			p.Candidate.Commit = func() { did = append(did, "commit "+program) }
			p.Candidate.Discard = func() { did = append(did, "discard "+program) }
			return p
		}
		s.order(1, "a", next("a", "up"))
		time.Sleep(59 * time.Second)
		s.expect("terminated 1")
		s.expectSaid("accepting")
		time.Sleep(2 * time.Second)
		s.expect("kill 1, dead 1, start 2 a, probe 0 of [2] and []")
		s.expectSaid("gap 1m0.000000001s", "1 ready")
		s.order(2, "b", next("b", "down"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if want := []string{"commit a", "discard b"}; !slices.Equal(did, want) {
			t.Errorf("did %v, want %v", did, want)
		}
		s.stop("<nil>")
	})
}

// A reload whose daemons are on trial is answered: when the old ones are back or have not
// answered either, and when the vassal is stopped.
func TestTrialOfDaemonsIsAnswered(t *testing.T) {
	for name, tt := range map[string]struct {
		old     string // its address
		disturb func(s *stage)
		want    []string
	}{
		"old is back": {"up", func(*stage) { time.Sleep(11 * time.Second) }, []string{
			"gap 10.000000002s", "1 undone the daemons were not ready within 10s: nothing listens; the old configuration was started again",
		}},
		"old fails too": {"once", func(s *stage) {
			time.Sleep(19 * time.Second)
			s.expectSaid()
			time.Sleep(2 * time.Second)
		}, []string{
			"1 undone the daemons were not ready within 10s: nothing listens; the old configuration was started again" +
				", and failed too: the daemons were not ready within 10s: nothing listens",
			"gap 20.000000002s",
		}},
		"stopped": {"up", func(s *stage) { s.stop("<nil>") }, []string{"1 failed the vassal is stopping"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := play(t, besidePlan("queue", tt.old))
				s.expectSaid("accepting")
				s.order(1, "down", besidePlan("queue2", "down"))
				time.Sleep(time.Millisecond)
				s.expectSaid()
				tt.disturb(s)
				s.expectSaid(tt.want...)
				if name != "stopped" {
					s.stop("<nil>")
				}
			})
		})
	}
}
