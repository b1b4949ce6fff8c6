package workers

import (
	"context"
	"os"
	"time"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// crews are the workers of a master: the crew in effect, and the next one while a reload starts it.
// They fill slots, and apply inputs to workers. The consequences for the vassal belong to their
// supervisor.
type crews struct {
	pool
	current    *crew
	next       *crew // of a reload; nil: none
	supervisor supervisor
}

// supervisor handles the turns in the life of workers. The loop calls its methods, which do not
// block. The state of the worker is assigned before.
type supervisor interface {
	// ready handles a worker that serves, and settle a step that may have waited for a worker.
	ready(w *worker)
	settle()
	// startFailed handles a worker that did not become ready and was asked to stop, if it lives.
	startFailed(w *worker, err error)
	// cannotFill handles a slot of a crew whose worker cannot be started.
	cannotFill(c *crew, slot int, err error)
	// died handles the end of a worker that was not asked to stop, and left the end of another one.
	// from is the state before.
	died(w *worker, from workerState)
	left(w *worker, from workerState)
}

// advance applies an input to a worker. cause is the error of a refused start, and nil for other
// inputs. No other function assigns the state of a worker.
func (cs *crews) advance(w *worker, in workerInput, cause error) {
	from := w.state
	next, do := stepWorker(from, in)
	w.state = next
	switch do {
	case doCheck:
		cs.advance(w, w.condition(in), nil)
	case doProbe:
		cs.probe(w)
	case doReady:
		w.due = time.Time{}
		w.stopProbe()
		cs.supervisor.ready(w)
	case doProve:
		w.due = time.Now().Add(w.crew.plan.Proof)
		w.stopProbe()
		cs.supervisor.ready(w)
	case doProven:
		w.due = time.Time{}
		cs.supervisor.settle()
	case doAwaitFront:
		w.due = time.Time{}
	case doAsk:
		cs.ask(w)
	case doGiveUp:
		if cause == nil {
			cause = w.lateError(from)
		}
		cs.ask(w)
		cs.supervisor.startFailed(w, cause)
	case doKill:
		cs.kill(w)
	case doAwaitReport:
		w.due = time.Now().Add(reportTime)
		cs.unexplained = append(cs.unexplained, w)
	case doFail:
		cs.forget(w)
		cs.supervisor.startFailed(w, cause)
	case doReplace:
		cs.forget(w)
		cs.supervisor.died(w, from)
	case doVacate:
		cs.supervisor.left(w, from)
		cs.vacate(w)
	case doForget:
		cs.forget(w)
	}
}

// dismiss stops a worker.
func (cs *crews) dismiss(w *worker) { cs.advance(w, workerDismissed, nil) }

// retire stops the workers of a crew. The server in front of the program stops first, because its
// last requests need the program.
func (cs *crews) retire(c *crew) {
	in := workerDismissed
	for _, w := range cs.pool.all() {
		if w.crew != c || !c.plan.isFront(w.slot) {
			continue
		}
		if cs.dismiss(w); w.state.leaving() {
			in = workerRetired
		}
	}
	for _, w := range c.all() {
		cs.advance(w, in, nil)
	}
}

// dismissAll stops all workers because the vassal stops. A server in front of a program gets the
// first half of the mercy, and the program the second half.
func (cs *crews) dismissAll() {
	now, mercy := time.Now(), cs.plan.mercy()
	cs.until = now.Add(mercy)
	cs.retire(cs.current)
	for _, w := range cs.pool.all() {
		cs.dismiss(w)
		if half := now.Add(mercy / 2); w.crew.plan.isFront(w.slot) && w.due.After(half) {
			w.due = half
		}
	}
}

// replace puts a crew and its plan into effect, and returns the previous crew.
func (cs *crews) replace(c *crew) (before *crew) {
	before = cs.current
	cs.current, cs.plan = c, c.plan
	return before
}

// drop stops the next crew and discards its plan. Without a next crew it does nothing.
func (cs *crews) drop() {
	next := cs.next
	if cs.next = nil; next == nil {
		return
	}
	for _, w := range next.all() {
		cs.dismiss(w)
	}
	next.plan.Candidate.discard()
}

// fillAll fills every empty slot of a crew.
func (cs *crews) fillAll(c *crew) {
	for i := range c.slots {
		cs.fill(c, i)
	}
}

// fill fills a slot, if it is empty and no leaving worker obstructs it. The crew may be dropped
// meanwhile, because one of its workers cannot be started.
func (cs *crews) fill(c *crew, i int) {
	s := c.slots[i]
	if s.worker != nil || cs.stopped || c != cs.current && c != cs.next {
		return
	}
	s.restart = time.Time{}
	if s.waiting = cs.obstruct(c); s.waiting {
		return
	}
	w, err := cs.start(c, i)
	if err != nil {
		cs.supervisor.cannotFill(c, i, err)
		return
	}
	s.worker = w
}

// vacate continues after a worker that was asked to stop has left: the program behind a server may
// end, and slots that waited are filled.
func (cs *crews) vacate(w *worker) {
	if w.crew.plan.isFront(w.slot) {
		for _, other := range cs.pool.all() {
			if other.crew == w.crew {
				cs.advance(other, workerFrontLeft, nil)
			}
		}
	}
	for _, c := range []*crew{cs.current, cs.next} {
		if c == nil {
			continue
		}
		for i, s := range c.slots {
			if s.waiting {
				cs.fill(c, i)
			}
		}
	}
}

// exited records the end of a worker's process.
func (cs *crews) exited(w *worker, status namespaces.ExitStatus) {
	w.stopProbe()
	delete(cs.living, w.pid)
	w.exit = status
	cs.advance(w, workerExited, nil)
}

// signal sends a signal to all workers except the built-in server in front of the program.
func (cs *crews) signal(s os.Signal) {
	for _, w := range cs.current.all() {
		if !cs.plan.isFront(w.slot) {
			cs.system.Signal(w.pid, s)
		}
	}
}

// dueWorkers applies the end of their time to workers, and dueSlots fills the slots whose time has come.
func (cs *crews) dueWorkers(now time.Time) {
	for _, w := range cs.pool.all() {
		if passed(w.due, now) {
			w.due = time.Time{}
			cs.advance(w, workerDue, nil)
		}
	}
}

func (cs *crews) dueSlots(now time.Time) {
	for _, c := range []*crew{cs.current, cs.next} {
		if c == nil {
			continue
		}
		for i, s := range c.slots {
			if passed(s.restart, now) {
				cs.fill(c, i)
			}
		}
	}
}

// times returns the times at which workers or slots are due.
func (cs *crews) times() (times []time.Time) {
	for _, w := range cs.living {
		times = append(times, w.due)
	}
	for _, w := range cs.unexplained {
		times = append(times, w.due)
	}
	if !cs.stopped {
		times = append(append(times, cs.current.restarts()...), cs.next.restarts()...)
	}
	return times
}

// probe probes a worker until it answers, or until ready-timeout.
func (cs *crews) probe(w *worker) {
	ctx, cancel := context.WithTimeout(context.Background(), w.crew.plan.Ready.Timeout)
	w.probing = cancel
	q := Question{
		Probe: w.crew.plan.Ready.Probe, PID: w.pid, Env: w.crew.plan.Env,
		Members: func(ctx context.Context) (Members, error) { return cs.inquire(ctx, w.id) },
		Failed:  func(err error) { cs.post(probed{id: w.id, err: err}) },
	}
	q.Own, q.Door = w.crew.plan.behind(w.slot)
	go func() {
		defer cancel()
		if cs.system.Probe(ctx, q) == nil {
			cs.post(probed{id: w.id})
		}
	}()
}

// members returns the processes of a worker's crew, or for id zero none, and all other workers. A
// successor must answer itself: the other workers of its crew are others.
func (cs *crews) members(id uint64) (list Members) {
	asked := cs.byID(id)
	for pid, w := range cs.living {
		if asked != nil && (w == asked || w.crew == asked.crew && asked != asked.crew.slots[asked.slot].successor && !w.state.leaving()) {
			list.Crew = append(list.Crew, pid)
		} else {
			list.Others = append(list.Others, pid)
		}
	}
	return list
}
