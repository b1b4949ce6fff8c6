package workers

import (
	"context"
	"fmt"
	"time"

	"github.com/emperor-go/emperor/pkg/wire"
)

// idleness stops workers that have no work, and starts them with the next connection.
type idleness struct {
	m       *master
	asleep  bool               // no workers run until the next connection
	waiting context.CancelFunc // ends the wait for a connection; nil: none
	cpu     time.Duration      // the processor time of all workers at since; -1: unknown
	since   time.Time          // the workers have used no processor time since
}

// reset begins a new measurement.
func (i *idleness) reset(now time.Time) { i.cpu, i.since = -1, now }

// check stops workers that were idle for the configured time. A request takes processor time, so
// workers that use none are idle.
func (i *idleness) check(now time.Time, cpu time.Duration) {
	m, p := i.m, i.m.base.plan
	if p.Idle.After == 0 || !m.crew.complete() || len(m.rolling.slots) > 0 {
		return
	}
	if cpu != i.cpu {
		i.cpu, i.since = cpu, now
		return
	}
	if now.Sub(i.since) < p.Idle.After {
		return
	}
	if p.Idle.Die {
		m.options.Report(wire.Withdraw)
		m.stop(fmt.Sprintf("idle for %v", p.Idle.After))
		return
	}
	m.base.log.Info("idle: stopping the workers until the first connection", "after", p.Idle.After)
	for _, s := range m.crew.slots {
		m.dismiss(s.worker)
		s.worker = nil
	}
	i.sleep()
}

// sleep waits for a connection while no workers run.
func (i *idleness) sleep() {
	i.asleep = true
	ctx, cancel := context.WithCancel(context.Background())
	if err := i.m.base.system.AwaitConnection(ctx, i.m.base.plan, i.m.base.post); err != nil {
		cancel()
		i.m.fail(err)
		return
	}
	i.waiting = cancel
}

// listenAgain waits for the next connection when the last one has started no workers.
func (i *idleness) listenAgain() {
	if i.asleep && i.waiting == nil && !i.m.base.stopped {
		i.sleep()
	}
}

func (i *idleness) stopListening() {
	if i.waiting != nil {
		i.waiting()
		i.waiting = nil
	}
}

// wake starts the workers for a connection.
func (i *idleness) wake() {
	m := i.m
	if !i.asleep || m.base.stopped {
		return
	}
	i.stopListening()
	if next := m.reload.next; next != nil && next.plan.StopFirst { // the reload is starting its workers
		return
	}
	i.asleep = false
	i.reset(time.Now())
	m.base.log.Info("a client connects: starting the workers")
	m.fillAll(m.crew)
	m.settle()
}
