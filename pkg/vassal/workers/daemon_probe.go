package workers

import (
	"context"
	"fmt"
	"slices"
)

// probed reports whether a plan is ready only when a daemon has answered a probe: without workers
// the daemons are probed.
func (ds *daemons) probed(p *Plan) bool {
	return p.Program == nil && p.Ready.Probe.Kind != "" && ds.passed != p
}

// try starts the probe when no daemon is ending, because an ending daemon might answer.
func (ds *daemons) try() {
	if ds.probing != nil || ds.stopped || ds.ending() {
		return
	}
	p := ds.plan
	ctx, cancel := context.WithTimeout(context.Background(), p.Ready.Timeout)
	ds.probing, ds.why = cancel, ""
	q := Question{
		Probe: p.Ready.Probe, Env: p.Env,
		Members: func(ctx context.Context) (Members, error) { return ds.inquire(ctx, 0) },
		Failed:  func(err error) { ds.post(daemonAttempt{err}) },
	}
	go func() {
		defer cancel()
		err := ds.system.Probe(ctx, q)
		ds.post(daemonsProbed{p, err})
	}()
}

func (ds *daemons) stopProbe() {
	if ds.probing != nil {
		ds.probing()
	}
}

// restored reports whether all daemons have been started, and one has answered the probe if there
// is one.
func (ds *daemons) restored() bool {
	return !ds.probed(ds.plan) && !slices.ContainsFunc(ds.list, func(d *daemon) bool { return d.state.held() })
}

// lateError describes daemons that did not answer in time.
func (ds *daemons) lateError(p *Plan) error {
	err := fmt.Errorf("the daemons were not ready within %v", p.Ready.Timeout)
	if ds.why != "" {
		err = fmt.Errorf("%w: %s", err, ds.why)
	}
	return err
}

// daemonsVacated continues when the last ending daemon is gone.
func (m *master) daemonsVacated() {
	if !m.reload.step(reloadVacated, details{}) && !m.service.served {
		m.service.daemonsAnswer()
	}
}

// daemonsProbed continues after the probe of daemons, unless another plan is in effect.
func (m *master) daemonsProbed(p *Plan, err error) {
	if m.service.daemons.probing = nil; m.base.stopped {
		return
	}
	if p == m.base.plan {
		m.daemonsAnswered(p, err)
	}
	m.settle()
}

// daemonsAnswered handles the result of the probe of the daemons in effect. Daemons without an answer fail the
// reload that has started them, or else a vassal that has never served.
func (m *master) daemonsAnswered(p *Plan, err error) {
	if err == nil {
		m.service.daemons.passed = p
		m.reload.step(reloadAnswered, details{})
		return
	}
	late := details{err: m.service.daemons.lateError(p)}
	switch {
	case m.reload.step(reloadSilent, late):
	case !m.service.served:
		m.fail(late.err)
	default:
		m.reload.step(reloadBroken, late)
	}
}
