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

// limits is the time table of the checks of age, memory and activity of the workers.
type limits struct {
	at time.Time // of the next check; zero: there are no limits
}

// reset begins new measurements under a plan.
func (l *limits) reset(now time.Time, p *Plan) { l.at = p.nextCheck(now) }

// due reports whether it is time for a check, and sets the time of the next one.
func (l *limits) due(now time.Time, p *Plan) bool {
	if !passed(l.at, now) {
		return false
	}
	l.at = p.nextCheck(now)
	return true
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

// examine implements succession: it replaces workers that are too old or too large, and stops idle ones.
func (s *service) examine() {
	if s.idle.asleep {
		return
	}
	now, t := time.Now(), s.plan.Triggers
	var cpu time.Duration
	for i, at := range s.crews.current.slots {
		if at.worker == nil || !at.worker.state.ready() {
			continue
		}
		used, age := s.system.Usage(at.worker.pid), now.Sub(at.worker.since)
		cpu += used.CPU
		switch {
		case at.successor != nil || slices.Contains(s.rolling.slots, i):
		case t.RSS > 0 && used.RSS > uint64(t.RSS) && age >= t.MinLifetime:
			s.rolling.one(i, fmt.Sprintf("it uses %d MB", used.RSS>>20))
		case t.MaxLifetime > 0 && age >= t.MaxLifetime+time.Duration(i)*t.Delta:
			s.rolling.one(i, "it has reached its age")
		}
	}
	if s.crews.current.complete() && len(s.rolling.slots) == 0 && s.idle.long(now, cpu) {
		s.rest()
	}
}
