package workers

import (
	"fmt"
	"time"
)

// yield ends the workers that serve before those of a reload are started: two instances
// would be in each other's way.
func (m *master) yield() {
	m.yielded = true
	if m.crew.complete() && len(m.crew.slots) > 0 {
		m.gap = time.Now()
	}
	m.Log.Info("ending the old workers before the new ones start", "why", m.current.why)
	for _, s := range m.crew.slots {
		if s.worker != nil {
			m.dismiss(s.worker)
		}
		s.worker, s.restart, s.waiting = nil, time.Time{}, false
	}
}

// resume starts the old configuration again after a reload for which it was ended has
// failed. The reload ends when the old configuration is ready.
func (m *master) resume(err error) {
	m.yielded, m.reading = false, 0
	m.Log.Error("cannot reload; starting the old configuration again", "why", m.current.why, "error", err)
	m.undoing = err
	m.muster(m.crew)
	m.settle()
}

// restarted is the error of a reload after which the old configuration was started again.
type restarted struct{ error }

// undone ends a failed reload when the old configuration is ready again, or, for an error,
// cannot be. It does nothing when there is no such reload.
func (m *master) undone(again error) {
	if m.undoing == nil {
		return
	}
	err := fmt.Errorf("%w; the old configuration was started again", m.undoing)
	if again != nil {
		err = fmt.Errorf("%w, and failed too: %w", err, again)
	}
	m.undoing = nil
	m.conclude(restarted{err})
}

// obstructed reports whether workers that are leaving must have left before the crew may
// have others.
func (m *master) obstructed(c *crew) bool {
	for _, w := range m.workers {
		if !w.killAt.IsZero() && (c.plan.StopFirst || w.crew.plan.StopFirst) {
			return true
		}
	}
	return false
}

// vacated fills the slots that have waited for a worker to leave.
func (m *master) vacated() {
	for _, c := range []*crew{m.crew, m.next} {
		if c == nil {
			continue
		}
		for i, s := range c.slots {
			if s.waiting {
				m.staff(c, i)
			}
		}
	}
}

// bridged ends the time without workers that a reload has made.
func (m *master) bridged() {
	if !m.gap.IsZero() {
		m.Gap(time.Since(m.gap))
		m.gap, m.gapped = time.Time{}, true
	}
}

// signalReload has the programs read their own files again, where the vassal's says what
// it said before.
func (m *master) signalReload(p *Plan) {
	sig := m.plan().Workers.ReloadSignal
	if p.Discard != nil {
		p.Discard()
	}
	for _, w := range m.crew.all() {
		if !m.plan().isFront(w.slot) {
			m.System.Signal(w.pid, sig)
		}
	}
	for _, d := range m.daemons {
		if d.pid > 0 && d.spec.Pidfile == "" && d.spec.ReloadSignal != 0 && !d.leaving {
			m.System.SignalGroup(d.pid, d.spec.ReloadSignal)
		}
	}
	m.Log.Info("the workers were told to read their files again", "why", m.current.why, "signal", sig)
	m.conclude(nil)
}
