package workers

import (
	"context"
	"fmt"
	"slices"
)

// trial is the probe of daemons where there is nothing else to be ready.
type trial struct {
	cancel context.CancelFunc // nil: none runs
	passed *Plan              // of which they have answered; nil: of none
	why    string             // the last one was not answered
	before *Plan              // the one before the reload that ends with it; nil: none does
}

// daemonsAnswer reports whether the vassal is ready as far as its daemons go: they are
// probed where there are no workers.
func (m *master) daemonsAnswer() bool {
	if !m.asksDaemons() {
		return true
	}
	m.tryDaemons()
	return false
}

// asksDaemons reports whether it takes an answer of the daemons for the vassal to be ready.
func (m *master) asksDaemons() bool {
	p := m.plan()
	return p.Program == nil && p.Ready.Probe.Kind != "" && m.trial.passed != p
}

// tryDaemons begins their probe, once no daemon is left that is ending: it might answer.
func (m *master) tryDaemons() {
	if m.trial.cancel != nil || m.stopped || slices.ContainsFunc(m.daemons, func(d *daemon) bool { return d.leaving && d.pid > 0 }) {
		return
	}
	p := m.plan()
	ctx, cancel := context.WithTimeout(context.Background(), p.Ready.Timeout)
	m.trial.cancel, m.trial.why = cancel, ""
	q := Question{
		Probe: p.Ready.Probe, Env: p.Env,
		Members: func(ctx context.Context) (Members, error) { return m.inquire(ctx, 0) },
		Failed:  func(err error) { m.post(Event{kind: probed, err: err}) },
	}
	go func() {
		defer cancel()
		err := m.System.Probe(ctx, q)
		m.post(Event{kind: tried, err: err, plan: p})
	}()
}

// wereTried goes on when the probe of daemons is over.
func (m *master) wereTried(p *Plan, err error) {
	if m.trial.cancel = nil; m.stopped {
		return
	}
	before := m.trial.before
	switch {
	case p != m.plan(): // another is in effect
	case err == nil:
		m.trial.passed = p
		if before != nil {
			m.trial.before = nil
			m.commit()
			m.bridged()
			m.conclude(nil)
		}
	case before != nil:
		m.trial.before = nil
		m.restore(before, m.daemonsLate(p))
	case !m.served:
		m.fail(m.daemonsLate(p))
	default:
		m.undone(m.daemonsLate(p))
	}
	m.settle()
}

// restore starts what a plan wants again after a reload whose daemons did not answer. The
// reload ends when that is ready.
func (m *master) restore(before *Plan, err error) {
	failed := m.plan()
	if failed.Discard != nil {
		failed.Discard()
	}
	m.Log.Error("cannot reload; starting the old configuration again", "why", m.current.why, "error", err)
	m.undoing, m.trial.passed = err, nil
	m.crew = newCrew(before)
	m.follow(failed)
	m.muster(m.crew)
}

// daemonsBack reports whether no daemon waits to be started, and one has answered where one
// is asked.
func (m *master) daemonsBack() bool {
	return !m.asksDaemons() && !slices.ContainsFunc(m.daemons, func(d *daemon) bool { return d.fresh })
}

func (m *master) daemonsLate(p *Plan) error {
	err := fmt.Errorf("the daemons were not ready within %v", p.Ready.Timeout)
	if m.trial.why != "" {
		err = fmt.Errorf("%w: %s", err, m.trial.why)
	}
	return err
}
