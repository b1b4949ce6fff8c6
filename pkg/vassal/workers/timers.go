package workers

import (
	"slices"
	"time"
)

// due does all work whose time has come.
func (m *master) due(now time.Time) {
	for _, w := range m.pool.all() {
		if passed(w.due, now) {
			w.due = time.Time{}
			m.advance(w, workerDue, nil)
		}
	}
	if !m.base.stopped {
		m.dueSlots(m.crew, now)
		m.dueSlots(m.reload.next, now)
		m.crashes.due(now, m.idle.asleep || m.crew.complete())
	}
	if m.daemons.due(now) {
		m.reap() // no signal comes of a group whose last process had another parent
	}
	m.limits.due(now)
}

// dueSlots fills the slots of a crew whose time has come. A nil crew has no slots.
func (m *master) dueSlots(c *crew, now time.Time) {
	if c == nil {
		return
	}
	for i, s := range c.slots {
		if passed(s.restart, now) {
			m.fill(c, i)
		}
	}
}

// arm sets the timer to the time of the next work. The loop has no other timer.
func (m *master) arm() {
	var times []time.Time
	for _, w := range m.pool.living {
		times = append(times, w.due)
	}
	for _, w := range m.pool.unexplained {
		times = append(times, w.due)
	}
	if !m.base.stopped {
		times = append(times, m.limits.at, m.crashes.calmAt)
		times = append(times, m.crew.restarts()...)
		times = append(times, m.reload.next.restarts()...)
	}
	times = append(times, m.daemons.times()...)
	times = slices.DeleteFunc(times, time.Time.IsZero)
	if len(times) == 0 {
		m.timer.Stop()
		return
	}
	m.timer.Reset(time.Until(slices.MinFunc(times, time.Time.Compare)))
}

// passed reports whether t is set and has come.
func passed(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }
