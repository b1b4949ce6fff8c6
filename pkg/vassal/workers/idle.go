package workers

import (
	"context"
	"fmt"
	"time"

	"github.com/emperor-go/emperor/pkg/wire"
)

// idleness stops workers without work, and starts them with the first connection.
type idleness struct {
	m       *master
	asleep  bool               // there are no workers until the first connection
	waiting context.CancelFunc // ends the wait for a connection; nil: there is none
	cpu     time.Duration      // the processor time of all workers at since; -1: unknown
	since   time.Time          // the workers have used no processor time since
}

// reset begins a new measurement.
func (i *idleness) reset(now time.Time) { i.cpu, i.since = -1, now }

// check stops workers that have done nothing for long: serving a request takes processor time.
func (i *idleness) check(now time.Time, cpu time.Duration) {
	m, p := i.m, i.m.plan
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
		m.Report(wire.Withdraw)
		m.stop(fmt.Sprintf("idle for %v", p.Idle.After))
		return
	}
	m.Log.Info("idle: stopping the workers until the first connection", "after", p.Idle.After)
	for _, s := range m.crew.slots {
		m.dismiss(s.worker)
		s.worker = nil
	}
	i.sleep()
}

// sleep waits for a connection without any workers.
func (i *idleness) sleep() {
	i.asleep = true
	ctx, cancel := context.WithCancel(context.Background())
	if err := i.m.System.AwaitConnection(ctx, i.m.plan, i.m.post); err != nil {
		cancel()
		i.m.fail(err)
		return
	}
	i.waiting = cancel
}

// listenAgain waits for the next connection after one that has started no workers.
func (i *idleness) listenAgain() {
	if i.asleep && i.waiting == nil && !i.m.stopped {
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
	if !i.asleep || m.stopped {
		return
	}
	i.stopListening()
	if next := m.reload.next; next != nil && next.plan.StopFirst { // its workers are starting
		return
	}
	i.asleep = false
	i.reset(time.Now())
	m.Log.Info("a client connects: starting the workers")
	m.muster(m.crew)
	m.settle()
}
