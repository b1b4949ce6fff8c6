package workers

import (
	"fmt"
	"time"
)

// ready implements supervisor. It runs the hooks of the worker, except for new workers of a reload: their
// hooks run after it.
func (m *master) ready(w *worker) {
	m.base.log.Debug("worker ready", "pid", w.pid, "took", time.Since(w.since).Round(time.Millisecond))
	if w.crew != m.service.crews.next {
		m.service.accepts(w)
	}
	m.settle()
}

// settle implements supervisor. It takes the steps that wait for workers to be ready.
func (m *master) settle() {
	p := &m.service
	if p.crews.next.complete() {
		m.reload.step(reloadFilled, details{})
	}
	if next := p.crews.next; next.proven() {
		in := reloadProven
		if p.daemons.probed(next.plan) {
			in = reloadUntried
		}
		m.reload.step(in, details{})
	}
	p.rolling.proceed()
	if p.crews.current.complete() && (p.served || m.established() && p.daemonsAnswer()) {
		m.reload.step(reloadComplete, details{})
		if p.daemons.restored() {
			m.reload.step(reloadWhole, details{})
		}
		m.accepting()
	}
	if p.crews.current.proven() && p.daemons.restored() {
		m.reload.step(reloadRestored, details{})
	}
}

// established reports whether the first crew counts as ready.
func (m *master) established() bool { return !m.options.Trial || m.service.crews.current.proven() }

// startFailed implements supervisor.
func (m *master) startFailed(w *worker, err error) {
	s := w.crew.slots[w.slot]
	if w == s.successor {
		s.successor = nil
		m.service.rolling.giveUp(err)
		return
	}
	if w == s.worker && w.crew == m.service.crews.current {
		s.worker = nil
	}
	m.cannotFill(w.crew, w.slot, err)
}

// cannotFill implements supervisor. The reload fails, or a vassal that has never served fails, or the start
// is tried again later, as after a death.
func (m *master) cannotFill(c *crew, i int, err error) {
	p := &m.service
	switch {
	case c == p.crews.next:
		m.reload.step(reloadFailed, details{err: err})
	case !p.served:
		m.fail(err)
	case c == p.crews.current:
		m.base.log.Warn("cannot start the worker", "worker", i+1, "error", err, "restart", p.restartLater(c.slots[i], err.Error(), 0))
		m.reload.step(reloadBroken, details{err: err})
	}
}

// reap collects every dead child, adopted ones too.
func (m *master) reap() {
	for {
		pid, status := m.base.system.Reap()
		if pid == 0 {
			return
		}
		if w := m.service.crews.living[pid]; w != nil {
			m.statusOver(w)
			m.service.crews.exited(w, status)
		} else {
			m.service.daemons.exited(pid, status)
		}
	}
}

// left implements supervisor.
func (m *master) left(w *worker, from workerState) {
	m.base.log.Debug("the worker has left", "worker", w.slot+1, "pid", w.pid, "exit", w.exit)
	if m.base.stopped {
		m.worst.add(w.exit, w.stopSignal(), from.killed())
	}
}

// died implements supervisor.
func (m *master) died(w *worker, from workerState) {
	p, s := &m.service, w.crew.slots[w.slot]
	exit := p.backgrounded(w)
	err := fmt.Errorf("worker %d ended: %s", w.pid, exit)
	way := death{
		from: from, successor: w == s.successor, next: w.crew == p.crews.next, served: p.served,
		reload: m.reload.state, trial: m.options.Trial, asked: w.crew.plan.asks(w.slot),
	}.decide()
	if way == deathOfSuccessor {
		s.successor = nil
		p.rolling.giveUp(err)
		return
	}
	s.worker = nil
	switch way {
	case deathFailsReload:
		m.reload.step(reloadFailed, details{err: err})
	case deathFailsVassal:
		m.fail(err)
	default:
		m.base.log.Warn("the worker died", "worker", w.slot+1, "pid", w.pid, "exit", exit, "restart", p.restartLater(s, exit, w.lived()))
		m.reload.step(reloadBroken, details{err: err})
	}
}

// death is everything on which the consequence of an unrequested death of a worker depends.
type death struct {
	from      workerState // the state in which it died
	successor bool        // it was to replace another worker
	next      bool        // it was a new worker of a reload
	served    bool        // the vassal has served
	reload    reloadState
	trial     bool // the first workers must live for a time before the vassal serves
	asked     bool // it had to do more than run to be ready
}

// deathConsequence is the consequence of a death.
type deathConsequence string

const (
	deathOfSuccessor deathConsequence = "the old worker stays"
	deathFailsReload deathConsequence = "the reload fails"
	deathFailsVassal deathConsequence = "the vassal fails"
	deathReplaced    deathConsequence = "another worker replaces it"
)

// decide returns the consequence. A vassal that has never served fails only by the death of a worker that was
// not ready, where readiness is more than running.
func (d death) decide() deathConsequence {
	switch {
	case d.successor:
		return deathOfSuccessor
	case d.next && !d.from.proven():
		return deathFailsReload
	case d.served, d.reload.active():
		return deathReplaced
	case d.trial && !d.from.proven(), d.asked && !d.from.ready():
		return deathFailsVassal
	}
	return deathReplaced
}
