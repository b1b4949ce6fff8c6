package workers

import (
	"slices"
	"time"
)

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
	slices.SortStableFunc(list, func(a, b *worker) int { return int(a.id) - int(b.id) })
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
