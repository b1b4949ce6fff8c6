package workers

import (
	"slices"
	"time"
)

// due does all work whose time has come.
func (m *master) due(now time.Time) {
	p := &m.service
	p.crews.dueWorkers(now)
	if !m.base.stopped {
		p.crews.dueSlots(now)
		p.crashes.due(now, p.idle.asleep || p.crews.current.complete())
	}
	if p.daemons.due(now) {
		m.reap() // no signal comes of a group whose last process had another parent
	}
	if p.limits.due(now, m.base.plan) {
		m.reload.step(reloadExamine, details{})
	}
}

// arm sets the timer to the time of the next work. The loop has no other timer.
func (m *master) arm() {
	p := &m.service
	times := append(p.crews.times(), p.daemons.times()...)
	if !m.base.stopped {
		times = append(times, p.limits.at, p.crashes.calmAt)
	}
	times = slices.DeleteFunc(times, time.Time.IsZero)
	if len(times) == 0 {
		m.timer.Stop()
		return
	}
	m.timer.Reset(time.Until(slices.MinFunc(times, time.Time.Compare)))
}

// passed reports whether t is set and has come.
func passed(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }
