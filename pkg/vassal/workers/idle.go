package workers

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/wire"
)

// lookEvery is the time between two looks at limits, at most.
const lookEvery = 5 * time.Second

// idleness is what is known about the last activity.
type idleness struct {
	cpu   time.Duration
	since time.Time // nothing has happened since
}

// firstLook returns when limits are to be looked at; zero where there are none.
func (m *master) firstLook(now time.Time) time.Time {
	m.idle = idleness{since: now, cpu: -1}
	return m.nextLook(now)
}

func (m *master) nextLook(now time.Time) time.Time {
	p := m.plan()
	every := time.Duration(0)
	if p.Triggers.RSS > 0 || p.Triggers.MaxLifetime > 0 {
		every = lookEvery
		if p.Triggers.MaxLifetime > 0 {
			every = min(every, max(p.Triggers.MaxLifetime/4, 100*time.Millisecond))
		}
	}
	if p.Idle.After > 0 && (every == 0 || p.Idle.After/4 < every) {
		every = max(p.Idle.After/4, 100*time.Millisecond)
	}
	if every == 0 {
		return time.Time{}
	}
	return now.Add(every)
}

// dueLimits looks at age, memory and activity of the workers.
func (m *master) dueLimits(now time.Time) {
	if !passed(m.limitAt, now) || m.stopped {
		return
	}
	m.limitAt = m.nextLook(now)
	if m.asleep || m.next != nil || m.undoing != nil {
		return
	}
	t := m.plan().Triggers
	var cpu time.Duration
	for i, s := range m.crew.slots {
		if s.worker == nil || !s.worker.ready {
			continue
		}
		used, age := m.System.Usage(s.worker.pid), now.Sub(s.worker.since)
		cpu += used.CPU
		switch {
		case s.heir != nil || slices.Contains(m.rolling, i):
		case t.RSS > 0 && used.RSS > uint64(t.RSS) && age >= t.MinLifetime:
			m.rollOne(i, fmt.Sprintf("it uses %d MB", used.RSS>>20))
		case t.MaxLifetime > 0 && age >= t.MaxLifetime+time.Duration(i)*t.Delta:
			m.rollOne(i, "it has reached its age")
		}
	}
	m.dueIdle(now, cpu)
}

// dueIdle sends workers away that have done nothing for long: a request cannot
// be served without any time on a processor.
func (m *master) dueIdle(now time.Time, cpu time.Duration) {
	p := m.plan()
	if p.Idle.After == 0 || !m.crew.complete() || len(m.rolling) > 0 {
		return
	}
	if cpu != m.idle.cpu {
		m.idle = idleness{cpu: cpu, since: now}
		return
	}
	if now.Sub(m.idle.since) < p.Idle.After {
		return
	}
	if p.Idle.Die {
		m.Report(wire.Withdraw)
		m.stop(fmt.Sprintf("idle for %v", p.Idle.After))
		return
	}
	m.Log.Info("idle: stopping the workers until somebody connects", "after", p.Idle.After)
	for _, s := range m.crew.slots {
		m.dismiss(s.worker)
		s.worker = nil
	}
	m.sleep()
}

// sleep waits for a connection without any workers.
func (m *master) sleep() {
	m.asleep = true
	ctx, cancel := context.WithCancel(context.Background())
	if err := m.System.AwaitConnection(ctx, m.plan(), m.post); err != nil {
		cancel()
		m.fail(err)
		return
	}
	m.knock = cancel
}

// listenAgain waits for the next connection after one that woke no workers.
func (m *master) listenAgain() {
	if m.asleep && m.knock == nil && !m.stopped {
		m.sleep()
	}
}

func (m *master) stopListening() {
	if m.knock != nil {
		m.knock()
		m.knock = nil
	}
}

// wake starts the workers for somebody who connects.
func (m *master) wake() {
	if !m.asleep || m.stopped {
		return
	}
	m.stopListening()
	if m.next != nil && m.next.plan.StopFirst { // whose workers are on their way
		return
	}
	m.asleep = false
	m.idle = idleness{cpu: -1, since: time.Now()}
	m.Log.Info("somebody connects: starting the workers")
	m.muster(m.crew)
	m.settle()
}

// watchFiles watches what the plan in effect names, and nothing else.
func (m *master) watchFiles() {
	m.stopWatching()
	p := m.plan()
	files := append(append([]string{}, p.Triggers.Touch...), p.Triggers.Chain...)
	for _, h := range p.Hooks[hooks.Touch] {
		files = append(files, h.Subject())
	}
	for _, d := range p.Daemons {
		files = append(files, d.Touch...)
	}
	if len(files)+len(p.Triggers.Trees) == 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.watch = cancel
	if err := m.System.Watch(ctx, files, p.Triggers.Trees, m.post); err != nil {
		m.Log.Error("cannot watch for changes: reload by hand", "error", err)
	}
}

func (m *master) stopWatching() {
	if m.watch != nil {
		m.watch()
		m.watch = nil
	}
}

func (m *master) listenForNotifications() (err error) {
	if m.notify == "" {
		m.notify, err = m.System.Notifications(m.post)
	}
	return err
}
