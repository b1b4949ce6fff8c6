package workers

import (
	"fmt"
	"slices"
	"time"
)

const (
	// limitsEvery is the longest time between two checks of limits, and limitsMin the shortest.
	limitsEvery = 5 * time.Second
	limitsMin   = 100 * time.Millisecond
)

// limits checks age, memory and activity of the workers periodically.
type limits struct {
	m  *master
	at time.Time // of the next check; zero: there are no limits
}

// reset begins new measurements under the plan in effect.
func (l *limits) reset(now time.Time) {
	l.m.idle.reset(now)
	l.at = l.m.base.plan.nextCheck(now)
}

// nextCheck returns when limits are to be checked; zero where there are none.
func (p *Plan) nextCheck(now time.Time) time.Time {
	every := time.Duration(0)
	if p.Triggers.RSS > 0 || p.Triggers.MaxLifetime > 0 {
		every = limitsEvery
		if p.Triggers.MaxLifetime > 0 {
			every = min(every, max(p.Triggers.MaxLifetime/4, limitsMin))
		}
	}
	if p.Idle.After > 0 && (every == 0 || p.Idle.After/4 < every) {
		every = max(p.Idle.After/4, limitsMin)
	}
	if every == 0 {
		return time.Time{}
	}
	return now.Add(every)
}

// due lets the workers be examined when it is time, unless a reload replaces them.
func (l *limits) due(now time.Time) {
	if passed(l.at, now) {
		l.at = l.m.base.plan.nextCheck(now)
		l.m.reload.step(reloadExamine, details{})
	}
}

// examine replaces workers that are too old or too large, and stops idle ones.
func (l *limits) examine(now time.Time) {
	m := l.m
	if m.idle.asleep {
		return
	}
	t := m.base.plan.Triggers
	var cpu time.Duration
	for i, s := range m.crew.slots {
		if s.worker == nil || !s.worker.state.ready() {
			continue
		}
		used, age := m.base.system.Usage(s.worker.pid), now.Sub(s.worker.since)
		cpu += used.CPU
		switch {
		case s.successor != nil || slices.Contains(m.rolling.slots, i):
		case t.RSS > 0 && used.RSS > uint64(t.RSS) && age >= t.MinLifetime:
			m.rolling.one(i, fmt.Sprintf("it uses %d MB", used.RSS>>20))
		case t.MaxLifetime > 0 && age >= t.MaxLifetime+time.Duration(i)*t.Delta:
			m.rolling.one(i, "it has reached its age")
		}
	}
	m.idle.check(now, cpu)
}
