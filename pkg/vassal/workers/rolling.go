package workers

// rolling replaces workers one after the other: each gets an heir and leaves when that is ready, or,
// with stop-first, leaves before its successor is started.
type rolling struct {
	m       *master
	slots   []int  // to be replaced; the first one is being replaced
	pending string // why all are to be replaced after the reload; empty: they are not
}

// all replaces all workers, also ones that were started not long ago. A reload in progress is waited
// for, and a slot that is being replaced is replaced again.
func (r *rolling) all(why string) {
	m := r.m
	starting := m.reload.next != nil
	switch {
	case m.stopped || m.idle.asleep && !starting:
		return
	case starting, m.reload.state == reloadUndoing:
		r.pending = why
		return
	}
	m.Log.Info("replacing one worker after the other: " + why)
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
	r.m.Log.Info("replacing a worker: "+why, "pid", r.m.crew.slots[i].worker.pid)
	r.slots = append(r.slots, i)
	if len(r.slots) == 1 {
		r.proceed()
	}
}

// proceed takes the next steps that wait for no other.
func (r *rolling) proceed() {
	m := r.m
	for len(r.slots) > 0 {
		i := r.slots[0]
		s := m.crew.slots[i]
		if m.plan.StopFirst && !m.plan.isFront(i) {
			if !r.renew(i, s) {
				return
			}
			continue
		}
		switch {
		case s.heir == nil:
			heir, err := m.pool.start(m.crew, i)
			if err != nil {
				r.giveUp(err)
				return
			}
			s.heir = heir
			return
		case s.heir.state != workerServing:
			return
		}
		if s.worker != nil {
			m.dismiss(s.worker)
		}
		s.worker, s.heir = s.heir, nil
		r.done()
	}
}

// done goes on to the next slot.
func (r *rolling) done() {
	if r.slots = r.slots[1:]; len(r.slots) == 0 {
		r.m.reload.tell("", nil)
	}
}

// renew ends the worker in a slot, fills that again, and reports whether this is over.
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
	if s.worker == nil || s.worker.state != workerServing {
		return false
	}
	s.rolled = false
	r.done()
	return true
}

// cancel leaves the workers that were not replaced yet.
func (r *rolling) cancel() {
	r.slots = nil
	for _, s := range r.m.crew.slots {
		s.rolled = false
		if s.heir != nil {
			r.m.dismiss(s.heir)
			s.heir = nil
		}
	}
}

// giveUp ends the replacement after a failure.
func (r *rolling) giveUp(err error) {
	r.slots = nil
	r.m.Log.Error("cannot replace the worker: the old one stays", "error", err)
	r.m.reload.tell("replacing a worker", err)
}
