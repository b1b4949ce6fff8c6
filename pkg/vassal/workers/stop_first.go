package workers

import (
	"fmt"
	"time"

	"github.com/emperor-go/emperor/pkg/wire"
)

// endOld stops the serving workers before the new ones are started, because two instances would
// conflict.
func (r *reloader) endOld() {
	m := r.m
	if m.crew.complete() && len(m.crew.slots) > 0 {
		r.gap.begin()
	}
	m.base.log.Info("ending the old workers before the new ones start", "why", r.current.why)
	m.retire(m.crew)
	for _, s := range m.crew.slots {
		s.worker, s.restart, s.waiting = nil, time.Time{}, false
	}
}

// restart starts the old configuration again, whose workers were stopped for the new one. The
// reload ends when the old configuration is ready.
func (r *reloader) restart(err error) {
	r.drop()
	r.m.base.log.Error("cannot reload; starting the old configuration again", "why", r.current.why, "error", err)
	r.cause = err
	r.m.fillAll(r.m.crew)
	r.m.settle()
}

// restore starts the old configuration again when new daemons did not answer. The reload ends
// when the old configuration is ready.
func (r *reloader) restore(err error) {
	m := r.m
	failed := m.base.plan
	failed.Candidate.discard()
	m.base.log.Error("cannot reload; starting the old configuration again", "why", r.current.why, "error", err)
	m.replaceCrew(newCrew(r.before))
	r.before, r.cause, m.daemons.passed = nil, err, nil
	m.follow(failed)
	m.fillAll(m.crew)
}

// restarted is the error of a reload after which the old configuration runs again.
type restarted struct{ error }

// undone ends a failed reload when the old configuration is ready again. An error means that it
// cannot start.
func (r *reloader) undone(again error) {
	err := fmt.Errorf("%w%s", r.cause, wire.StartedAgain)
	if again != nil {
		err = fmt.Errorf("%w, and failed too: %w", err, again)
	}
	r.cause = nil
	r.conclude(restarted{err})
}
