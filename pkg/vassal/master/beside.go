package master

import (
	"context"
	"fmt"
)

// trial is the probe of daemons where there is nothing else to be ready.
type trial struct {
	cancel  context.CancelFunc // nil: none runs
	passed  *Plan              // of which they have answered; nil: of none
	why     string             // the last one was not answered
	reloads bool               // a reload ends with it
}

// daemonsAnswer reports whether the vassal is ready as far as its daemons go: they are
// probed where there are no workers.
func (m *master) daemonsAnswer() bool {
	p := m.plan()
	if p.Program != nil || p.Ready.Probe.Kind == "" || m.trial.passed == p {
		return true
	}
	if m.trial.cancel != nil || m.stopped {
		return false
	}
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
	return false
}

// wereTried goes on when the probe of daemons is over.
func (m *master) wereTried(p *Plan, err error) {
	if m.trial.cancel = nil; m.stopped {
		return
	}
	reloads := m.trial.reloads
	m.trial.reloads = false
	switch {
	case p != m.plan(): // another has taken effect
		m.trial.reloads = reloads
	case err == nil:
		m.trial.passed = p
		if reloads {
			m.conclude(nil)
		}
	case reloads:
		m.conclude(m.daemonsLate(p))
	case !m.served:
		m.fail(m.daemonsLate(p))
	}
	m.settle()
}

func (m *master) daemonsLate(p *Plan) error {
	err := fmt.Errorf("the daemons were not ready within %v", p.Ready.Timeout)
	if m.trial.why != "" {
		err = fmt.Errorf("%w: %s", err, m.trial.why)
	}
	return err
}
