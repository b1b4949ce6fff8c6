package workers

import (
	"fmt"
	"time"

	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// advance applies an input to a worker. cause is the error of a refused start, and nil for other
// inputs. No other function assigns the state of a worker.
func (m *master) advance(w *worker, in workerInput, cause error) {
	from := w.state
	next, do := stepWorker(from, in)
	w.state = next
	switch do {
	case doCheck:
		m.advance(w, w.condition(in), nil)
	case doProbe:
		m.probe(w)
	case doReady:
		w.due = time.Time{}
		m.isReady(w)
	case doProve:
		w.due = time.Now().Add(w.crew.plan.Proof)
		m.isReady(w)
	case doProven:
		w.due = time.Time{}
		m.settle()
	case doAwaitFront:
		w.due = time.Time{}
	case doAsk:
		m.pool.ask(w)
	case doGiveUp:
		if cause == nil {
			cause = w.lateError(from)
		}
		m.pool.ask(w)
		m.startFailed(w, cause)
	case doKill:
		m.pool.kill(w)
	case doAwaitReport:
		w.due = time.Now().Add(reportTime)
		m.pool.unexplained = append(m.pool.unexplained, w)
	case doFail:
		m.pool.forget(w)
		m.startFailed(w, cause)
	case doReplace:
		m.pool.forget(w)
		m.died(w, from)
	case doVacate:
		m.left(w, from)
	case doForget:
		m.pool.forget(w)
	}
}

// dismiss stops a worker.
func (m *master) dismiss(w *worker) { m.advance(w, workerDismissed, nil) }

// retire stops the workers of a crew. The server in front of the program stops first, because its
// last requests need the program.
func (m *master) retire(c *crew) {
	in := workerDismissed
	for _, w := range m.pool.all() {
		if w.crew != c || !c.plan.isFront(w.slot) {
			continue
		}
		if m.dismiss(w); w.state.leaving() {
			in = workerRetired
		}
	}
	for _, w := range c.all() {
		m.advance(w, in, nil)
	}
}

// dismissAll stops all workers because the vassal stops. A server in front of a program gets the
// first half of the mercy, and the program the second half.
func (m *master) dismissAll() {
	now, mercy := time.Now(), m.base.plan.mercy()
	m.pool.until = now.Add(mercy)
	m.retire(m.crew)
	for _, w := range m.pool.all() {
		m.dismiss(w)
		if half := now.Add(mercy / 2); w.crew.plan.isFront(w.slot) && w.due.After(half) {
			w.due = half
		}
	}
}

// fillAll fills every empty slot of a crew.
func (m *master) fillAll(c *crew) {
	for i := range c.slots {
		m.fill(c, i)
	}
}

// fill fills a slot, if it is empty and no leaving worker obstructs it. The crew may be dropped
// meanwhile, because one of its workers cannot be started.
func (m *master) fill(c *crew, i int) {
	s := c.slots[i]
	if s.worker != nil || m.base.stopped || c != m.crew && c != m.reload.next {
		return
	}
	s.restart = time.Time{}
	if s.waiting = m.pool.obstruct(c); s.waiting {
		return
	}
	w, err := m.pool.start(c, i)
	if err != nil {
		m.cannotFill(c, i, err)
		return
	}
	s.worker = w
}

// fillWaiting fills the slots that waited for a worker to leave.
func (m *master) fillWaiting() {
	for _, c := range []*crew{m.crew, m.reload.next} {
		if c == nil {
			continue
		}
		for i, s := range c.slots {
			if s.waiting {
				m.fill(c, i)
			}
		}
	}
}

// startFailed handles a worker that did not become ready.
func (m *master) startFailed(w *worker, err error) {
	s := w.crew.slots[w.slot]
	if w == s.successor {
		s.successor = nil
		m.rolling.giveUp(err)
		return
	}
	if w == s.worker && w.crew == m.crew {
		s.worker = nil
	}
	m.cannotFill(w.crew, w.slot, err)
}

// cannotFill handles a slot whose worker could not be started. The reload fails, or a vassal that
// has never served fails, or the start is tried again later, as after a death.
func (m *master) cannotFill(c *crew, i int, err error) {
	switch {
	case c == m.reload.next:
		m.reload.step(reloadFailed, details{err: err})
	case !m.served:
		m.fail(err)
	case c == m.crew:
		s := c.slots[i]
		m.base.log.Warn("cannot start the worker", "worker", i+1, "error", err, "restart", m.restartLater(s, err.Error(), 0))
		m.reload.step(reloadBroken, details{err: err})
	}
}

// isReady runs the hooks of a worker that serves, and continues the work that waits for it.
func (m *master) isReady(w *worker) {
	w.stopProbe()
	m.base.log.Debug("worker ready", "pid", w.pid, "took", time.Since(w.since).Round(time.Millisecond))
	if w.crew != m.reload.next { // hooks of new workers run after the reload
		m.accepts(w)
	}
	m.settle()
}

// accepts runs the hooks of a worker that is ready.
func (m *master) accepts(w *worker) {
	if w.crew.plan.isFront(w.slot) {
		return
	}
	first := !m.served
	m.phase(hooks.Accepting, "")
	if first {
		m.phase(hooks.AcceptingOnce, "")
	}
	if w.slot == 0 {
		m.phase(hooks.Accepting1, "")
		if first {
			m.phase(hooks.Accepting1Once, "")
		}
	}
}

// settle takes the steps that wait for workers to be ready.
func (m *master) settle() {
	if m.reload.next.complete() {
		m.reload.step(reloadFilled, details{})
	}
	if m.reload.next.proven() {
		m.reload.proven()
	}
	m.rolling.proceed()
	if m.crew.complete() && (m.served || m.established() && m.daemonsAnswer()) {
		m.reload.step(reloadComplete, details{})
		if m.daemons.restored() {
			m.reload.step(reloadWhole, details{})
		}
		m.accepting()
	}
	if m.crew.proven() && m.daemons.restored() {
		m.reload.step(reloadRestored, details{})
	}
}

// established reports whether the first crew counts as ready.
func (m *master) established() bool { return !m.options.Trial || m.crew.proven() }

// reap collects every dead child, adopted ones too.
func (m *master) reap() {
	for {
		pid, status := m.base.system.Reap()
		if pid == 0 {
			return
		}
		if w := m.pool.living[pid]; w != nil {
			m.exited(w, status)
		} else {
			m.daemons.exited(pid, status)
		}
	}
}

// exited records the end of a worker's process.
func (m *master) exited(w *worker, status namespaces.ExitStatus) {
	w.stopProbe()
	delete(m.pool.living, w.pid)
	w.exit = status
	m.statusOver(w)
	m.advance(w, workerExited, nil)
}

// left handles the end of a worker that was asked to stop.
func (m *master) left(w *worker, from workerState) {
	m.base.log.Debug("the worker has left", "worker", w.slot+1, "pid", w.pid, "exit", w.exit)
	if m.base.stopped {
		m.worst.add(w.exit, w.stopSignal(), from.killed())
	}
	if w.crew.plan.isFront(w.slot) {
		for _, other := range m.pool.all() {
			if other.crew == w.crew {
				m.advance(other, workerFrontLeft, nil)
			}
		}
	}
	m.fillWaiting()
}

// died handles the end of a worker that was not asked to stop.
func (m *master) died(w *worker, from workerState) {
	s := w.crew.slots[w.slot]
	exit := m.backgrounded(w)
	err := fmt.Errorf("worker %d ended: %s", w.pid, exit)
	way := death{
		from: from, successor: w == s.successor, next: w.crew == m.reload.next, served: m.served,
		reload: m.reload.state, trial: m.options.Trial, asked: w.crew.plan.asks(w.slot),
	}.decide()
	if way == deathOfSuccessor {
		s.successor = nil
		m.rolling.giveUp(err)
		return
	}
	s.worker = nil
	switch way {
	case deathFailsReload:
		m.reload.step(reloadFailed, details{err: err})
	case deathFailsVassal:
		m.fail(err)
	default:
		m.base.log.Warn("the worker died", "worker", w.slot+1, "pid", w.pid, "exit", exit, "restart", m.restartLater(s, exit, w.lived()))
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
