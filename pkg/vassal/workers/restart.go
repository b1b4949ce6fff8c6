package workers

import (
	"fmt"
	"slices"
	"time"

	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

const (
	// restartFirst and restartMax bound the pause before a dead worker is
	// replaced, which doubles with each death; restartReset is how long a worker
	// must live for them to be forgotten and for it to be replaced at once.
	restartFirst = 500 * time.Millisecond
	restartMax   = 30 * time.Second
	restartReset = 10 * time.Second
	// forkbomb is the age below which a worker's death counts as one at once.
	forkbomb = time.Second
	// hearing is how long it is waited for what a dead worker has said. It takes no
	// time, unless what it has left behind keeps the pipe open.
	hearing = time.Second
)

// reap collects every dead child, adopted ones too.
func (m *master) reap() {
	for {
		pid, status := m.System.Reap()
		if pid == 0 {
			return
		}
		if w := m.workers[pid]; w != nil {
			m.died(w, status)
		} else {
			m.daemonDied(pid, status)
		}
	}
}

// died handles the death of a worker, whether it was asked for or not. What its
// stage has said tells more than how it ended, and may be heard only after that.
func (m *master) died(w *worker, status namespaces.ExitStatus) {
	w.stopProbe()
	delete(m.workers, w.pid)
	if w.pid == m.speaker { // nothing serves any more as it said
		m.speaker = 0
		m.Answer(0, wire.Status, "")
	}
	switch {
	case !w.killAt.IsZero():
		m.Log.Debug("the worker has left", "worker", w.slot+1, "pid", w.pid, "exit", status)
		if m.stopped {
			m.parted(status, w.stopSignal(), w.killed)
		}
		m.vacated()
	case w.told, w.ready:
		m.bereft(w, status.String())
	default:
		w.exit, w.readyBy = status.String(), time.Now().Add(hearing)
		m.unheard = append(m.unheard, w)
	}
}

// heard ends the wait for why a worker has died.
func (m *master) heard(w *worker) {
	m.unheard = slices.DeleteFunc(m.unheard, func(other *worker) bool { return other == w })
}

// bereft goes on without a worker that nobody had asked to leave.
func (m *master) bereft(w *worker, status string) {
	s := w.crew.slots[w.slot]
	status = m.backgrounded(status)
	err := fmt.Errorf("worker %d ended: %s", w.pid, status)
	switch {
	case w == s.heir:
		s.heir = nil
		m.cannotReplace(err)
	case w.crew == m.next && !w.proven():
		s.worker = nil
		m.abandon(err)
	case !m.served && !w.ready && !m.reloading() && w.crew.plan.asks(w.slot):
		s.worker = nil
		m.fail(err)
	default:
		s.worker = nil
		m.Log.Warn("the worker died", "worker", w.slot+1, "pid", w.pid, "exit", status, "restart", m.later(s, status, time.Since(w.since)))
		m.undone(err)
	}
}

// mourn tells of the death of a worker. It is recent until all that came after it
// have lived long enough.
func (m *master) mourn(exit string, next time.Time) {
	m.deaths = wire.Deaths{Recent: m.deaths.Recent + 1, Total: m.deaths.Total + 1, Exit: exit, Next: next}
	m.calmAt = next.Add(restartReset)
	m.Mourn(m.deaths)
}

// recovered forgets the deaths that are recent, and tells of that.
func (m *master) recovered() {
	if m.calmAt.IsZero() {
		return
	}
	m.calmAt = time.Time{}
	m.deaths = wire.Deaths{Total: m.deaths.Total}
	m.Log.Info("the workers have recovered")
	m.Mourn(m.deaths)
}

// dueCalm looks whether the workers have recovered: where one is not ready yet,
// that is not known.
func (m *master) dueCalm(now time.Time) {
	switch {
	case m.stopped || !passed(m.calmAt, now):
	case m.asleep, m.crew.complete():
		m.recovered()
	default:
		m.calmAt = now.Add(restartReset)
	}
}

// due does what has its time. Only the time of the next of these wakes the loop.
func (m *master) due(now time.Time) {
	proven := false
	for _, w := range m.workers {
		if passed(w.proveBy, now) {
			w.proveBy, proven = time.Time{}, true
		}
		switch {
		case passed(w.killAt, now):
			m.Log.Warn("the worker did not stop in time: killing it", "worker", w.slot+1, "pid", w.pid, "mercy", w.crew.plan.mercy())
			w.killed = true
			w.killAt = now.Add(time.Second) // again, should that be possible
			m.System.Kill(w.pid)
		case passed(w.readyBy, now):
			w.readyBy = time.Time{}
			m.failed(w.crew, w.slot, w, notReady(w))
		}
	}
	for _, w := range slices.Clone(m.unheard) {
		if passed(w.readyBy, now) && slices.Contains(m.unheard, w) {
			m.heard(w)
			m.bereft(w, w.exit)
		}
	}
	if proven && !m.stopped {
		m.settle()
	}
	if !m.stopped {
		m.dueSlots(m.crew, now)
		m.dueSlots(m.next, now)
	}
	m.dueCalm(now)
	m.dueDaemons(now)
	m.dueLimits(now)
}

// dueSlots fills those slots of a crew whose time has come. No crew has none.
func (m *master) dueSlots(c *crew, now time.Time) {
	if c == nil {
		return
	}
	for i, s := range c.slots {
		if passed(s.restart, now) {
			m.staff(c, i)
		}
	}
}

// restarts are the times at which empty slots are to be filled.
func (c *crew) restarts() (times []time.Time) {
	if c == nil {
		return nil
	}
	for _, s := range c.slots {
		if s.worker == nil {
			times = append(times, s.restart)
		}
	}
	return times
}

// arm sets the timer to the time of what is due next.
func (m *master) arm() {
	var times []time.Time
	for _, w := range m.workers {
		times = append(times, w.killAt, w.readyBy, w.proveBy)
	}
	for _, w := range m.unheard {
		times = append(times, w.readyBy)
	}
	if !m.stopped {
		times = append(times, m.limitAt, m.calmAt)
		for _, c := range []*crew{m.crew, m.next} {
			times = append(times, c.restarts()...)
		}
	}
	for _, d := range m.daemons {
		times = append(times, d.restart, d.killAt)
	}
	times = slices.DeleteFunc(times, time.Time.IsZero)
	if len(times) == 0 {
		m.timer.Stop()
		return
	}
	m.timer.Reset(time.Until(slices.MinFunc(times, time.Time.Compare)))
}

// passed reports whether a time that is set has come.
func passed(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }

func contains(list []string, s string) bool { return slices.Contains(list, s) }
