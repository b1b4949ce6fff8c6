package workers

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emperor-go/emperor/pkg/config"
)

// The idle limits of a plan apply after its reload, also while no workers run.
func TestIdlenessThatComesWhileAsleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan("web", 1)
		p.Idle.Cheap = true
		s := play(t, p)
		next := plan("web2", 1)
		next.Idle = config.Idleness{Cheap: true, After: time.Minute}
		s.order(1, "new", next)
		s.world.knock()
		s.expect("start 1 web2")
		time.Sleep(2 * time.Minute)
		s.expect("terminated 1, dead 1")
		s.stop("<nil>")
	})
}

// A first worker that dies before it is ready fails the vassal, like one that is not ready in
// time.
func TestFirstWorkerThatDiesBeforeItIsReady(t *testing.T) {
	for name, ready := range map[string]config.Readiness{
		"notify": {Notify: true, Timeout: time.Minute},
		"probe":  {Probe: config.Probe{Kind: "tcp", Address: "down"}, Timeout: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := plan("crash", 1)
				p.Ready = ready
				s := play(t, p)
				if err := s.over(); err == nil || err.Error() != "worker 1 ended: exit status 7" {
					t.Errorf("Run returned %v", err)
				}
				s.expectSaid()
			})
		})
	}
}

// A reload that was requested before the start reads the current options.
func TestReloadFromBeforeTheBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := playWith(t, plan("web", 1), func(o *Options) { o.Again = true })
		s.expect("start 1 web, start 2 web, terminated 1, dead 1")
		s.stop("<nil>")
	})
}

func TestControlDaemonThatCannotBeStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan("web", 1)
		p.Daemons = []config.Daemon{{Command: []string{"queue"}}, {Command: []string{"full"}, Control: true}}
		s := play(t, p)
		if err := s.over(); !errors.Is(err, syscall.EAGAIN) {
			t.Errorf("Run returned %v", err)
		}
		s.expect("start 1 queue, terminated 1, dead 1")
		s.expectSaid()
	})
}

// A daemon may hold a resource that its successor needs. The successor starts after the daemon
// has ended, or at the next reload, or not at all when the vassal stops.
func TestDaemonsAreReplacedOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		with := func(name string) *Plan {
			p := plan("web", 1)
			p.Daemons = []config.Daemon{{Command: []string{name}}}
			return p
		}
		s := play(t, with("stubborn"))
		s.expect("start 1 stubborn, start 2 web")
		s.order(1, "b", with("b"))
		s.expect("start 3 web, terminated 2, terminated 1, dead 2")
		s.order(2, "c", with("c"))
		s.expect("start 4 web, terminated 3, dead 3")
		time.Sleep(2 * time.Minute)
		s.expect("kill 1, dead 1, start 5 c")
		s.stop("<nil>")
	})
}

// A reload that the end of the vassal cancels is not a failure.
func TestStopDuringAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, plan("web", 1))
		s.order(1, "new", plan("slow", 1))
		s.stop("<nil>")
		s.expectSaid("accepting", "1 failed the vassal is stopping")
		if strings.Contains(s.log.String(), "the old workers stay") {
			t.Errorf("the log says %s", s.log)
		}
	})
}

// The emperor gets reports of reloads that fail without its order, and of the next success.
func TestUnorderedReloadIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan("web", 1)
		p.Triggers = config.Triggers{Touch: []string{"/touch"}, Chain: []string{"/chain"}}
		s := play(t, p)
		s.changed("/touch")
		s.expectSaid("accepting")
		p.Program.Args[0] = "missing"
		s.changed("/touch")
		s.expectSaid("0 failed /touch has changed: no such program")
		s.changed("/chain")
		s.expectSaid("0 failed replacing a worker: no such program")
		p.Program.Args[0] = "web"
		s.changed("/chain")
		s.expectSaid("0 ready")
		s.changed("/touch")
		s.expectSaid()
		s.stop("<nil>")
	})
}

// A chain reload does not confuse a worker that is not ready with its successor.
func TestChainReloadOfWorkersThatAreNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan("silent", 1)
		p.Ready.Notify = true
		p.Triggers.Chain = []string{"/chain"}
		s := play(t, p)
		time.Sleep(9 * time.Second)
		s.changed("/chain")
		s.expect("start 1 silent, start 2 silent")
		if err := s.over(); err == nil || err.Error() != "worker 1 was not ready within 10s: it has not sent READY=1" {
			t.Errorf("Run returned %v", err)
		}
	})
}

// forkbomb-delay applies to a worker that repeatedly dies at once, and not to one that lives for
// a second.
func TestForkbombDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan("crash", 1)
		p.Workers.ForkbombDelay = 20 * time.Second
		s := play(t, p)
		s.expect("start 1 crash, dead 1")
		time.Sleep(500 * time.Millisecond)
		s.expect("start 2 crash, dead 2")
		time.Sleep(19 * time.Second)
		s.expect("")
		time.Sleep(time.Second)
		s.expect("start 3 crash, dead 3")
		s.stop("<nil>")
	})
	synctest.Test(t, func(t *testing.T) {
		p := plan("web", 1)
		p.Workers.ForkbombDelay = 20 * time.Second
		s := play(t, p)
		s.expect("start 1 web")
		for pid, want := range []string{"dead 1, start 2 web", "dead 2, start 3 web", "dead 3, start 4 web"} {
			time.Sleep(2 * time.Second)
			s.end(pid+1, "exit status 7")
			time.Sleep(2 * time.Second) // 0.5, 1 and 2 s
			s.expect(want)
		}
		s.stop("<nil>")
	})
}

// With a delta workers reach their maximum age at different times.
func TestAgesThatDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan("web", 3)
		p.Triggers = config.Triggers{MaxLifetime: time.Minute, Delta: 10 * time.Second}
		s := play(t, p)
		s.since()
		time.Sleep(59 * time.Second)
		s.expect("")
		for _, want := range []string{"start 4 web, terminated 1, dead 1", "start 5 web, terminated 2, dead 2", "start 6 web, terminated 3, dead 3"} {
			time.Sleep(10 * time.Second)
			s.expect(want)
		}
		s.stop("<nil>")
	})
}

// The pause before a daemon is restarted grows up to the limit of the daemon.
func TestPauseOfADaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan("web", 1)
		p.Daemons = []config.Daemon{{Command: []string{"crash"}, MaxPause: 2 * time.Second}}
		s := play(t, p)
		time.Sleep(100 * time.Second)
		// 0.5, 1 and then 2 seconds each.
		if got := strings.Count(s.since(), "start"); got != 2+2+49 {
			t.Errorf("started %d processes", got)
		}
		s.stop("<nil>")
	})
}

// The death of a worker may be known before its reason, or before the event that its program ran.
func TestDeathThatIsKnownBeforeItsReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, plan("web", 1))
		s.order(7, "new", plan("slow", 1)) // it is silent for 3 s
		s.end(2, "exit status 1")
		s.expectSaid("accepting")
		s.post(refused{2, errors.New("no such thing")})
		s.expectSaid("7 failed no such thing")
		s.order(8, "new", plan("slow", 1))
		s.end(3, "exit status 1")
		s.expectSaid()
		s.post(executed{3})
		s.expectSaid("8 failed worker 3 ended: exit status 1")
		s.expect("start 1 web, start 2 slow, dead 2, start 3 slow, dead 3")
		s.stop("<nil>")
	})
}

// Processes that a worker has left behind may keep its status pipe open for ever.
func TestDeathWithoutAReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, plan("mute", 1))
		s.expect("start 1 mute")
		s.end(1, "exit status 7")
		s.expectMourned()
		time.Sleep(time.Second)
		s.expectMourned("1/1 exit status 7 +500ms")
		time.Sleep(500 * time.Millisecond)
		s.expect("dead 1, start 2 mute")
		s.end(2, "exit status 7")
		s.stop("<nil>")
		s.expectMourned()
	})
}

// A late report about a dead worker has no effect on the worker in its slot.
func TestDeathWithALateReason(t *testing.T) {
	for name, late := range map[string]func(s *stage){
		"executed": func(s *stage) { s.post(executed{3}) },
		"failed":   func(s *stage) { s.post(refused{3, errors.New("no such thing")}) },
		"never":    func(*stage) { time.Sleep(time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := play(t, plan("web", 1))
				s.order(7, "new", plan("slow", 2))
				s.end(3, "exit status 1")
				s.end(2, "exit status 1")
				s.expectSaid("accepting")
				s.post(refused{2, errors.New("no such thing")})
				s.expectSaid("7 failed no such thing")
				late(s)
				s.expectMourned()
				s.stop("<nil>")
			})
		})
	}
}

// A dead worker is not ready, whatever it has reported.
func TestDeadWorkerIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := plan("mute", 1)
		next.Ready.Notify = true
		s := play(t, plan("web", 1))
		s.order(7, "new", next)
		s.end(2, "exit status 1")
		s.expectSaid("accepting")
		s.post(notification{2, "READY=1"})
		s.expectSaid()
		s.post(executed{2})
		s.expectSaid("7 failed worker 2 ended: exit status 1")
		s.stop("<nil>")
	})
}

// A successor whose death was not yet reported is dropped by the reload that overtakes it.
func TestDeadSuccessorIsDroppedByAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan("web", 1)
		p.Triggers.Chain = []string{"/chain"}
		s := play(t, p)
		p.Program.Args[0] = "mute"
		s.changed("/chain")
		synctest.Wait()
		s.end(2, "exit status 1")
		s.order(7, "new", plan("mute", 1))
		s.post(executed{2})
		s.expectMourned()
		s.expect("start 1 web, start 2 mute, dead 2, start 3 mute")
		s.stop("<nil>")
	})
}

// A control daemon that cannot be started stops the vassal, and the daemons after it are not started.
func TestNoDaemonIsStartedAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan("web", 1)
		p.Daemons = []config.Daemon{{Command: []string{"queue"}}, {Command: []string{"full"}, Control: true}, {Command: []string{"third"}}}
		s := play(t, p)
		if err := s.over(); !errors.Is(err, syscall.EAGAIN) {
			t.Errorf("Run returned %v", err)
		}
		s.expect("start 1 queue, terminated 1, dead 1")
	})
}

// The consequence of a death depends on the state of the worker, of the reload and of the vassal.
func TestConsequencesOfDeaths(t *testing.T) {
	for _, tt := range []struct {
		in   death
		want deathConsequence
	}{
		{death{from: workerServing, served: true}, deathReplaced},
		{death{from: workerAnnouncing, served: true, asked: true}, deathReplaced},
		{death{from: workerServing, successor: true}, deathOfSuccessor},
		{death{from: workerProving, next: true, reload: reloadStarting}, deathFailsReload},
		{death{from: workerServing, next: true, reload: reloadStarting}, deathReplaced},
		{death{from: workerAnnouncing, asked: true, reload: reloadNone}, deathFailsVassal},
		{death{from: workerServing, asked: true, reload: reloadNone}, deathReplaced},
		{death{from: workerProving, trial: true, reload: reloadNone}, deathFailsVassal},
		{death{from: workerProving, trial: true, reload: reloadReading}, deathReplaced},
		{death{from: workerUnexplained, reload: reloadNone}, deathReplaced},
	} {
		if got := tt.in.decide(); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.in, got, tt.want)
		}
	}
}
