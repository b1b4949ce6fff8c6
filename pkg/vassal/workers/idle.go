package workers

import (
	"context"
	"fmt"
	"time"
)

// idleness is the time since the workers had work, and the wait for the next connection while none run.
type idleness struct {
	*base
	fail    func(error)        // ends the vassal
	asleep  bool               // no workers run until the next connection
	waiting context.CancelFunc // ends the wait for a connection; nil: none
	cpu     time.Duration      // the processor time of all workers at since; -1: unknown
	since   time.Time          // the workers have used no processor time since
}

// reset begins a new measurement.
func (i *idleness) reset(now time.Time) { i.cpu, i.since = -1, now }

// long reports whether the workers were idle for the configured time. A request takes processor time, so
// workers that use none are idle. cpu is the processor time that all of them have used.
func (i *idleness) long(now time.Time, cpu time.Duration) bool {
	if i.plan.Idle.After == 0 {
		return false
	}
	if cpu != i.cpu {
		i.cpu, i.since = cpu, now
	}
	return now.Sub(i.since) >= i.plan.Idle.After
}

// sleep waits for a connection while no workers run.
func (i *idleness) sleep() {
	i.asleep = true
	ctx, cancel := context.WithCancel(context.Background())
	if err := i.system.AwaitConnection(ctx, i.plan, i.post); err != nil {
		cancel()
		i.fail(err)
		return
	}
	i.waiting = cancel
}

// listenAgain waits for the next connection when the last one has started no workers.
func (i *idleness) listenAgain() {
	if i.asleep && i.waiting == nil && !i.stopped {
		i.sleep()
	}
}

func (i *idleness) stopListening() {
	if i.waiting != nil {
		i.waiting()
		i.waiting = nil
	}
}

// rest stops workers that were idle for the configured time, or the vassal.
func (s *service) rest() {
	after := s.plan.Idle.After
	if s.plan.Idle.Die {
		s.withdraw(fmt.Sprintf("idle for %v", after))
		return
	}
	s.log.Info("idle: stopping the workers until the first connection", "after", after)
	for _, at := range s.crews.current.slots {
		s.crews.dismiss(at.worker)
		at.worker = nil
	}
	s.idle.sleep()
}

// wake starts the workers for a connection.
func (s *service) wake() {
	if !s.idle.asleep || s.stopped {
		return
	}
	s.idle.stopListening()
	if next := s.crews.next; next != nil && next.plan.StopFirst { // the reload is starting its workers
		return
	}
	s.idle.asleep = false
	s.idle.reset(time.Now())
	s.log.Info("a client connects: starting the workers")
	s.fill(s.crews.current)
}
