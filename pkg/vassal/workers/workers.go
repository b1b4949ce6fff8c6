package workers

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// crew is one generation of workers. All of them run the same plan.
type crew struct {
	plan  *Plan
	slots []*slot
}

// slot is the position of a worker in a crew.
type slot struct {
	worker    *worker   // nil until a dead worker is replaced
	successor *worker   // replaces worker when it is ready; nil: none
	deaths    int       // consecutive deaths
	restart   time.Time // the time at which the slot is filled again; zero: none
	waiting   bool      // the slot is filled when obstructing workers have left
	rolled    bool      // the worker was stopped to be replaced
}

func newCrew(p *Plan) *crew {
	c := &crew{plan: p, slots: make([]*slot, p.size())}
	for i := range c.slots {
		c.slots[i] = &slot{}
	}
	return c
}

// all returns the workers in all slots, with successors.
func (c *crew) all() (list []*worker) {
	for _, s := range c.slots {
		for _, w := range []*worker{s.worker, s.successor} {
			if w != nil {
				list = append(list, w)
			}
		}
	}
	return list
}

// complete reports whether every slot has a ready worker. A nil crew is not complete.
func (c *crew) complete() bool {
	if c == nil {
		return false
	}
	for _, s := range c.slots {
		if s.worker == nil || !s.worker.state.ready() {
			return false
		}
	}
	return true
}

// proven reports whether the crew is complete and each worker has lived long enough after its
// readiness.
func (c *crew) proven() bool {
	if c == nil {
		return false
	}
	for _, s := range c.slots {
		if s.worker == nil || !s.worker.state.proven() {
			return false
		}
	}
	return true
}

// restarts returns the times at which empty slots are filled. A nil crew has none.
func (c *crew) restarts() (times []time.Time) {
	if c == nil {
		return nil
	}
	for _, s := range c.slots {
		if s.worker == nil {
			times = append(times, s.restart)
		}
	}
	return times
}

// worker is a process that starts, serves, or has served.
type worker struct {
	id      uint64
	pid     int
	crew    *crew
	slot    int
	since   time.Time
	state   workerState           // assigned by advance
	due     time.Time             // the end of the time limit of its state; zero: no limit
	exit    namespaces.ExitStatus // set when it is dead
	probing context.CancelFunc    // ends its probe; nil: no probe runs
	why     string                // the error of the last probe; empty: none
}

// condition returns the next condition of readiness after an input.
func (w *worker) condition(after workerInput) workerInput {
	p := w.crew.plan
	switch {
	case after == workerExecuted && p.notifies(w.slot):
		return workerNotice
	case after != workerAnswered && p.probes(w.slot):
		return workerProbe
	case p.Proof > 0:
		return workerProof
	}
	return workerComplete
}

// stopSignal returns the signal that asks the worker to stop. The option stop-signal applies only
// to the operator's program.
func (w *worker) stopSignal() syscall.Signal {
	if sig := w.crew.plan.Workers.StopSignal; sig != 0 && w.crew.plan.programOf(w.slot).Server == nil {
		return sig
	}
	return syscall.SIGTERM
}

func (w *worker) stopProbe() {
	if w.probing != nil {
		w.probing()
		w.probing = nil
	}
}

// lived returns the age of the worker.
func (w *worker) lived() time.Duration { return time.Since(w.since) }

// lateError describes a worker that was not ready in time. from is its state at that time.
func (w *worker) lateError(from workerState) error {
	err := fmt.Errorf("worker %d was not ready within %v", w.pid, w.crew.plan.Ready.Timeout)
	switch {
	case w.why != "":
		return fmt.Errorf("%w: %s", err, w.why)
	case w.crew.plan.notifies(w.slot) && !from.announced():
		return fmt.Errorf("%w: it has not sent READY=1", err)
	}
	return err
}

// pool holds the processes of all workers of all crews.
type pool struct {
	*base
	living      map[int]*worker // by pid, also leaving workers
	unexplained []*worker       // dead workers in the state of that name
	notify      string          // address for sd_notify(3); empty until one is needed
	until       time.Time       // the end of the mercy while the vassal stops; zero: it does not stop
}

// start starts a worker for a slot. The caller assigns it to the slot.
func (p *pool) start(c *crew, i int) (*worker, error) {
	plan := c.plan
	spec := Spec{ID: p.nextID(), Name: "worker", Program: plan.programOf(i), Sockets: plan.socketsOf(i), Env: plan.Env, Dir: plan.Dir}
	if plan.isFront(i) {
		spec.Behind = plan.Front.Behind
	} else if i == 0 {
		spec.Terminal = plan.Terminal
	}
	if plan.notifies(i) {
		if p.notify == "" {
			var err error
			if p.notify, err = p.system.Notifications(p.post); err != nil {
				return nil, err
			}
		}
		spec.Env = append(spec.Env[:len(spec.Env):len(spec.Env)], "NOTIFY_SOCKET="+p.notify)
	}
	pid, err := p.system.Start(spec, p.post)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	w := &worker{id: spec.ID, pid: pid, crew: c, slot: i, since: now, state: workerStarting, due: now.Add(plan.Ready.Timeout)}
	p.living[pid] = w
	p.log.Info("worker started", "worker", i+1, "pid", pid, "program", spec.Program.Args[0])
	return w, nil
}

// all returns every worker with a record, in the order of their starts.
func (p *pool) all() []*worker {
	list := slices.Clone(p.unexplained)
	for _, w := range p.living {
		list = append(list, w)
	}
	slices.SortFunc(list, func(a, b *worker) int { return int(a.id) - int(b.id) })
	return list
}

// byID returns the worker with an id, or nil when it has no record.
func (p *pool) byID(id uint64) *worker {
	for _, w := range p.all() {
		if w.id == id {
			return w
		}
	}
	return nil
}

// forget drops the record of a dead worker.
func (p *pool) forget(w *worker) {
	p.unexplained = slices.DeleteFunc(p.unexplained, func(other *worker) bool { return other == w })
}

// obstruct reports whether the crew cannot get workers before leaving workers are gone. A server
// in front of the program does not obstruct, and its last requests may need the next program.
func (p *pool) obstruct(c *crew) bool {
	for _, w := range p.living {
		if w.state.leaving() && !w.crew.plan.isFront(w.slot) && (c.plan.StopFirst || w.crew.plan.StopFirst) {
			return true
		}
	}
	return false
}

// ask asks a worker to stop and sets the time at which it is killed.
func (p *pool) ask(w *worker) {
	w.due = time.Now().Add(w.crew.plan.mercy())
	if !p.until.IsZero() && w.due.After(p.until) {
		w.due = p.until
	}
	w.stopProbe()
	p.system.Signal(w.pid, w.stopSignal())
}

// kill kills a worker that did not stop in time, and again after a second if it still lives.
func (p *pool) kill(w *worker) {
	p.log.Warn("the worker did not stop in time: killing it", "worker", w.slot+1, "pid", w.pid, "mercy", w.crew.plan.mercy())
	w.due = time.Now().Add(time.Second)
	p.system.Kill(w.pid)
}
