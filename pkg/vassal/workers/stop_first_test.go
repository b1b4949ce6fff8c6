package workers

import (
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emperor-go/emperor/pkg/config"
)

// alone is a plan whose instances must not run at the same time.
func alone(program string, n int) *Plan {
	p := plan(program, n)
	p.StopFirst = true
	return p
}

// The old workers have ended before the new ones start, however long they take, and the
// time between is reported.
func TestReloadThatStopsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, alone("stubborn", 2))
		s.since()
		s.order(7, "new", alone("web", 1))
		s.expectSorted("terminated 1, terminated 2")
		time.Sleep(59 * time.Second)
		s.end(1, "exit status 0")
		s.expect("dead 1")
		time.Sleep(2 * time.Second)
		s.expect("kill 2, dead 2, start 3 web")
		s.expectSaid("accepting", "gap 1m0.000000001s", "7 ready")
		s.stop("<nil>")
	})
}

// When the new one does not become ready, the old configuration is started again, after the
// new one has ended.
func TestReloadThatStopsFirstAndFails(t *testing.T) {
	for name, want := range map[string]string{
		"missing":         "7 undone no such program; the old configuration was started again",
		"crash":           "7 undone worker 2 ended: exit status 7; the old configuration was started again",
		"silent stubborn": "7 undone worker 2 was not ready within 10s: it has not sent READY=1; the old configuration was started again",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := play(t, alone("web", 1))
				next := alone(name, 1)
				next.Ready.Notify, next.Mercy = true, 20*time.Second
				discarded := false
				next.Candidate.Discard = func() { discarded = true }
				s.order(7, "new", next)
				time.Sleep(9 * time.Second)
				if name == "silent stubborn" {
					s.expect("start 1 web, terminated 1, dead 1, start 2 silent stubborn")
					time.Sleep(19 * time.Second)
					s.expect("terminated 2")
					s.expectSaid("accepting")
					time.Sleep(3 * time.Second)
					s.expect("kill 2, dead 2, start 3 web")
					s.expectSaid("gap 30.000000002s", want)
				} else {
					time.Sleep(time.Second)
					// The report of a failed start and the end of its process come in any order.
					got := strings.Replace(s.since(), "terminated 2, ", "", 1)
					if want := "start 1 web, terminated 1, dead 1, start 2 " + name + ", dead 2, start 3 web"; got != want {
						t.Errorf("got  %s\nwant %s", got, want)
					}
				}
				if s.alive[3] != "web" || len(s.alive) != 1 || !discarded {
					t.Errorf("alive %v, discarded %v", s.alive, discarded)
				}
				s.expectLogged("starting the old configuration again")
				s.order(8, "better", alone("web2", 1))
				time.Sleep(time.Second)
				s.expect("terminated 3, dead 3, start 4 web2")
				s.stop("<nil>")
			})
		})
	}
}

// A failed reload is over when the old configuration is ready again, or has failed too, and
// no earlier; what comes meanwhile waits.
func TestReloadFailsWhenTheOldOneIsBack(t *testing.T) {
	for name, tt := range map[string]struct {
		disturb func(*stage)
		want    []string
	}{
		"ready": {func(*stage) { time.Sleep(2 * time.Second) }, []string{
			"gap 3.000000001s", "7 undone no such program; the old configuration was started again",
		}},
		"dies": {func(s *stage) { s.end(3, "exit status 5"); time.Sleep(time.Second) }, []string{
			"7 undone no such program; the old configuration was started again, and failed too: worker 3 ended: exit status 5",
		}},
		"stopped": {func(s *stage) { s.stop("<nil>") }, []string{"7 failed no such program; the vassal is stopping"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				old := alone("slow", 1)
				old.Ready.Notify = true
				s := play(t, old)
				time.Sleep(4 * time.Second)
				s.expectSaid("accepting")
				s.order(7, "new", alone("missing", 1))
				time.Sleep(2 * time.Second)
				s.expectSaid()
				tt.disturb(s)
				time.Sleep(time.Millisecond)
				s.expectSaid(tt.want...)
				if name == "stopped" {
					return
				}
				s.order(8, "better", alone("web", 1))
				time.Sleep(time.Second)
				if name == "dies" {
					s.expectSaid("gap 3.001s", "8 ready")
				}
				s.stop("<nil>")
			})
		})
	}
}

// The new plan decides the order; the old crew waits for a new one that is in its way.
func TestOrderIsThatOfTheNewPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, alone("web", 1))
		s.since()
		s.order(1, "beside", plan("web2", 1))
		s.expect("start 2 web2, terminated 1, dead 1")
		crash := alone("crash", 1)
		crash.Proof = time.Second
		s.order(2, "alone", crash)
		time.Sleep(time.Second)
		s.expect("terminated 2, dead 2, start 3 crash, dead 3, start 4 web2")
		s.stop("<nil>")
	})
}

// A reload that fails starts no workers where there were none before.
func TestReloadThatStopsFirstWhileIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := alone("web", 1)
		p.Idle = config.Idleness{After: time.Minute}
		s := play(t, p)
		time.Sleep(2 * time.Minute)
		s.expect("start 1 web, terminated 1, dead 1")
		s.order(1, "missing", alone("missing", 1))
		time.Sleep(time.Second)
		s.expectSaid("accepting", "1 failed no such program")
		if len(s.alive) > 0 {
			t.Errorf("alive: %v", s.alive)
		}
		s.stop("<nil>")
	})
}

// A client that comes during a reload of a vassal without workers wakes no second instance,
// and wakes the old one after the reload has failed.
func TestReloadThatStopsFirstIsDisturbedByAClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := alone("web", 1)
		p.Idle = config.Idleness{After: time.Minute}
		s := play(t, p)
		time.Sleep(2 * time.Minute)
		s.since()
		next := alone("silent", 1)
		next.Ready.Notify = true
		s.order(1, "silent", next)
		s.knock()
		time.Sleep(5 * time.Second)
		s.expect("start 2 silent")
		time.Sleep(6 * time.Second)
		s.expect("terminated 2, dead 2")
		s.knock()
		s.expect("start 3 web")
		s.stop("<nil>")
	})
}

// What comes while the old workers leave: the end, another order, a signal.
func TestStopFirstIsDisturbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, alone("stubborn", 1))
		s.since()
		s.order(1, "a", alone("a", 1))
		s.order(2, "b", alone("b", 1))
		s.signals <- syscall.SIGHUP
		s.expect("terminated 1")
		s.end(1, "exit status 0")
		s.expect("dead 1, start 2 a, terminated 2, dead 2, start 3 b")
		s.order(3, "c", alone("stubborn c", 1))
		s.expect("terminated 3, dead 3, start 4 stubborn c")
		s.order(4, "d", alone("d", 1))
		s.expect("terminated 4")
		s.stop("<nil>")
		s.expect("kill 4, dead 4")
	})
}

// A worker that dies right after its readiness was not ready, whatever the order.
func TestReadinessMustLast(t *testing.T) {
	for _, order := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := play(t, plan("web", 1))
			s.since()
			next := plan("web2", 1)
			next.Proof, next.StopFirst = time.Second, order
			s.order(1, "dies", next)
			time.Sleep(900 * time.Millisecond)
			s.end(2, "exit status 3")
			time.Sleep(time.Millisecond)
			if order {
				s.expect("terminated 1, dead 1, start 2 web2, dead 2, start 3 web")
				s.expectSaid("accepting", "gap 1ns", "1 undone worker 2 ended: exit status 3; the old configuration was started again")
			} else {
				s.expect("start 2 web2, dead 2")
				s.expectSaid("accepting", "1 failed worker 2 ended: exit status 3")
			}
			s.order(2, "lives", next)
			time.Sleep(900 * time.Millisecond)
			if order {
				s.expectSaid("gap 1ns")
			} else {
				s.expectSaid()
			}
			s.since()
			time.Sleep(200 * time.Millisecond)
			if order {
				s.expect("")
				s.expectSaid("2 ready")
			} else {
				s.expect("terminated 1, dead 1")
				s.expectSaid("2 ready")
			}
			s.stop("<nil>")
		})
	}
}

// READY=1 and an answer to the probe are both needed; only the new crew may answer.
func TestBothKindsOfReadiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan("web", 2)
		p.Daemons = []config.Daemon{{Command: []string{"queue"}, Text: "queue"}}
		s := play(t, p)
		s.expect("start 1 queue, start 2 web, start 3 web")
		next := plan("silent", 1)
		next.Ready.Notify, next.Ready.Probe = true, config.Probe{Kind: "http", Address: "up"}
		next.Daemons = p.Daemons
		s.order(1, "both", next)
		s.expect("start 4 silent")
		s.post(notification{4, "READY=1"})
		time.Sleep(time.Millisecond)
		s.expectSorted("dead 1, dead 2, dead 3, probe 4 of [4] and [1 2 3], start 5 queue, terminated 1, terminated 2, terminated 3")
		s.expectSaid("accepting", "1 ready")
		s.stop("<nil>")
	})
}

// A worker that is to replace one of its crew answers itself.
func TestProbeOfAnHeir(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan("web", 2)
		p.Triggers.Chain, p.Ready.Probe = []string{"/chain"}, config.Probe{Kind: "http", Address: "up"}
		s := play(t, p)
		s.expectSorted("probe 1 of [1 2] and [], probe 2 of [1 2] and [], start 1 web, start 2 web")
		s.changed("/chain")
		time.Sleep(time.Millisecond)
		s.expectSorted("dead 1, dead 2, probe 3 of [3] and [1 2], probe 4 of [4] and [1 2 3], start 3 web, start 4 web, terminated 1, terminated 2")
		s.stop("<nil>")
	})
}

// Workers that may not overlap are replaced one by one without doing so.
func TestChainReloadThatStopsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := alone("web", 2)
		p.Triggers.Chain = []string{"/chain"}
		s := play(t, p)
		s.since()
		s.changed("/chain")
		time.Sleep(time.Second)
		s.expect("terminated 1, dead 1, start 3 web, terminated 2, dead 2, start 4 web")
		s.changed("/chain") // one that dies meanwhile
		synctest.Wait()
		time.Sleep(time.Minute)
		s.expect("terminated 3, dead 3, start 5 web, terminated 4, dead 4, start 6 web")
		s.stop("<nil>")
	})
}

// With a signal that makes programs read their files, a reload that changes nothing sends
// that.
func TestReloadSignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan("stubborn", 1)
		p.Workers.ReloadSignal = syscall.SIGUSR2
		p.Candidate.Unchanged = true
		s := play(t, p)
		s.since()
		s.order(1, "same", p)
		s.expect("user defined signal 2 1")
		s.signals <- syscall.SIGHUP
		s.expect("user defined signal 2 1")
		s.expectSaid("accepting", "1 ready")
		changed := plan("web", 1)
		changed.Workers.ReloadSignal = syscall.SIGUSR2
		s.order(2, "changed", changed)
		s.expect("start 2 web, terminated 1")
		s.expectSaid("2 ready")
		s.stop("<nil>")
		if !strings.Contains(s.log.String(), `read their files again why="requested by the emperor" signal="user defined signal 2"`) {
			t.Errorf("the log says %s", s.log)
		}
	})
}
