package workers

import (
	"time"

	"github.com/emperor-go/emperor/pkg/hooks"
)

// service has all parts that follow the plan in effect. These are the workers and their replacement one by
// one, the daemons, the wait for a connection while no workers run, the limits, the watched files and the
// hooks. A reload changes over from one plan to another through its methods: it is the succession of a reload.
type service struct {
	*base
	crews   *crews
	rolling *rolling
	daemons daemons
	idle    idleness
	limits  limits
	crashes crashes
	hooks   hookQueue
	watch   fileWatch
	served  bool // a crew was ready at least once

	settle   func()           // takes the steps that wait for workers or daemons to be ready
	withdraw func(why string) // stops the vassal until its next connection or change
}

// phase runs hooks of the plan in effect outside the loop.
func (s *service) phase(phase hooks.Phase, file string) { s.hooks.run(s.plan, phase, file) }

// fill starts the workers of a crew.
func (s *service) fill(c *crew) {
	s.crews.fillAll(c)
	s.settle()
}

// follow changes the watched files, the daemons and the limits to those in the new plan.
func (s *service) follow(before *Plan) {
	s.watch.follow()
	s.daemons.change(before)
	s.measure(time.Now())
}

// measure begins new measurements of limits and idleness under the plan in effect.
func (s *service) measure(now time.Time) {
	s.idle.reset(now)
	s.limits.reset(now, s.plan)
}

// daemonsAnswer reports whether the daemons are ready, and starts their probe if they are not.
func (s *service) daemonsAnswer() bool {
	if !s.daemons.probed(s.plan) {
		return true
	}
	s.daemons.try()
	return false
}

// accepts runs the hooks of a worker that is ready.
func (s *service) accepts(w *worker) {
	if w.crew.plan.isFront(w.slot) {
		return
	}
	first := !s.served
	s.phase(hooks.Accepting, "")
	if first {
		s.phase(hooks.AcceptingOnce, "")
	}
	if w.slot == 0 {
		s.phase(hooks.Accepting1, "")
		if first {
			s.phase(hooks.Accepting1Once, "")
		}
	}
}

// restartLater sets the time at which a slot is filled again, and returns the pause.
func (s *service) restartLater(at *slot, why string, lived time.Duration) (wait time.Duration) {
	wait, at.deaths = pauseAfter(at.deaths, lived, s.plan.Workers.ForkbombDelay)
	at.restart = time.Now().Add(wait)
	s.crashes.add(why, at.restart)
	return wait
}

// position implements succession.
func (s *service) position() position {
	return position{
		asleep: s.idle.asleep, complete: s.crews.current.complete(), workers: len(s.crews.current.slots),
		rereads: s.plan.Workers.ReloadSignal != 0,
	}
}

// reread implements succession.
func (s *service) reread(why string) {
	sig := s.plan.Workers.ReloadSignal
	s.crews.signal(sig)
	s.daemons.tell(daemonReread)
	s.log.Info("the workers were asked to read their files again", "why", why, "signal", sig)
}

// leave runs the last hooks of the plan in effect, before a new plan is started.
func (s *service) leave() {
	s.rolling.cancel()
	s.phase(hooks.AsUserAtexit, "")
}

// adopt implements succession.
func (s *service) adopt(next *Plan) {
	s.leave()
	before := s.crews.replace(newCrew(next)).plan
	next.Candidate.commit()
	s.idle.stopListening()
	s.idle.sleep()
	s.follow(before)
}

// start implements succession.
func (s *service) start(next *Plan) {
	s.leave()
	s.crews.next = newCrew(next)
	s.fill(s.crews.next)
}

// switchTo implements succession. Two instances of a program would conflict.
func (s *service) switchTo(next *Plan, why string) {
	s.leave()
	s.log.Info("ending the old workers before the new ones start", "why", why)
	s.crews.retire(s.crews.current)
	for _, at := range s.crews.current.slots {
		at.worker, at.restart, at.waiting = nil, time.Time{}, false
	}
	s.crews.next = newCrew(next)
	s.fill(s.crews.next)
}

// takeOver implements succession.
func (s *service) takeOver(why string) {
	before := s.exchange()
	if s.plan != before {
		s.plan.Candidate.commit()
	}
	s.introduce(before, why)
}

// takeOnTrial implements succession.
func (s *service) takeOnTrial(why string) (before *Plan) {
	before = s.exchange()
	s.introduce(before, why)
	return before
}

// exchange puts the next crew and its plan into effect, and returns the plan before. The old workers
// leave.
func (s *service) exchange() (before *Plan) {
	old := s.crews.replace(s.crews.next)
	s.crews.next = nil
	s.rolling.slots = nil
	for _, w := range old.all() {
		s.crews.dismiss(w)
	}
	s.idle.asleep = false
	s.crashes.recovered()
	s.idle.stopListening()
	return old.plan
}

// introduce continues everything beside the workers under the plan in effect, and runs the hooks of the new
// workers.
func (s *service) introduce(before *Plan, why string) {
	s.follow(before)
	for _, at := range s.crews.current.slots {
		if at.worker != nil && at.worker.state.ready() {
			s.accepts(at.worker)
		}
	}
	s.log.Info("workers replaced", "why", why, "workers", len(s.crews.current.slots))
}

// probeDaemons implements succession.
func (s *service) probeDaemons() {
	if s.daemonsAnswer() {
		s.settle()
	}
}

// commit implements succession.
func (s *service) commit() { s.plan.Candidate.commit() }

// drop implements succession.
func (s *service) drop() { s.crews.drop() }

// stay implements succession.
func (s *service) stay() {
	s.crews.drop()
	s.idle.listenAgain()
}

// refill implements succession.
func (s *service) refill() {
	s.crews.drop()
	s.fill(s.crews.current)
}

// restore implements succession.
func (s *service) restore(before *Plan) {
	failed := s.plan
	failed.Candidate.discard()
	s.crews.replace(newCrew(before))
	s.daemons.passed = nil
	s.follow(failed)
	s.crews.fillAll(s.crews.current)
}

// roll implements succession.
func (s *service) roll(why string) {
	if !s.idle.asleep {
		s.rolling.all(why)
	}
}
