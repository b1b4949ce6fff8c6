package workers

// rolling replaces workers one after the other. Each gets a successor and leaves when the
// successor is ready. With stop-first it leaves before the successor starts.
type rolling struct {
	m       *master
	slots   []int  // to be replaced; the first one is being replaced
	pending string // the reason to replace all workers after the reload; empty: none
}

// all replaces all workers, also recent ones. It waits for a reload in progress.
// A slot whose worker is being replaced is replaced once more.
func (r *rolling) all(why string) {
	r.m.reload.step(reloadRoll, details{why: why})
}

// begin begins with it, unless there are no workers to replace.
func (r *rolling) begin(why string) {
	m := r.m
	if m.idle.asleep {
		return
	}
	m.base.log.Info("replacing one worker after the other: " + why)
	r.slots = r.slots[:min(1, len(r.slots))]
	for i := range m.crew.slots {
		r.slots = append(r.slots, i)
	}
	r.proceed()
}

// resume replaces all workers if that was requested during a reload.
func (r *rolling) resume() {
	if why := r.pending; why != "" {
		r.pending = ""
		r.all(why)
	}
}

// one replaces a single worker.
func (r *rolling) one(i int, why string) {
	r.m.base.log.Info("replacing a worker: "+why, "pid", r.m.crew.slots[i].worker.pid)
	r.slots = append(r.slots, i)
	if len(r.slots) == 1 {
		r.proceed()
	}
}

// proceed takes all steps that do not need to wait.
func (r *rolling) proceed() {
	m := r.m
	for len(r.slots) > 0 {
		i := r.slots[0]
		s := m.crew.slots[i]
		if m.base.plan.StopFirst && !m.base.plan.isFront(i) {
			if !r.renew(i, s) {
				return
			}
			continue
		}
		switch {
		case s.successor == nil:
			successor, err := m.pool.start(m.crew, i)
			if err != nil {
				r.giveUp(err)
				return
			}
			s.successor = successor
			return
		case !s.successor.state.proven():
			return
		}
		if s.worker != nil {
			m.dismiss(s.worker)
		}
		s.worker, s.successor = s.successor, nil
		r.done()
	}
}

// done continues with the next slot.
func (r *rolling) done() {
	if r.slots = r.slots[1:]; len(r.slots) == 0 {
		r.m.reload.report("", nil)
	}
}

// renew stops the worker in a slot and starts its successor. It returns true when the successor
// serves.
func (r *rolling) renew(i int, s *slot) (over bool) {
	if !s.rolled {
		s.rolled = true
		if s.worker != nil {
			r.m.dismiss(s.worker)
			s.worker = nil
			r.m.fill(r.m.crew, i)
		}
		return false
	}
	if s.worker == nil || !s.worker.state.proven() {
		return false
	}
	s.rolled = false
	r.done()
	return true
}

// cancel keeps the workers that have not been replaced yet.
func (r *rolling) cancel() {
	r.slots = nil
	for _, s := range r.m.crew.slots {
		s.rolled = false
		if s.successor != nil {
			r.m.dismiss(s.successor)
			s.successor = nil
		}
	}
}

// giveUp ends the replacement after a failure.
func (r *rolling) giveUp(err error) {
	r.slots = nil
	r.m.base.log.Error("cannot replace the worker: the old one stays", "error", err)
	r.m.reload.report("replacing a worker", err)
}
