package workers

// rolling replaces workers one after the other. Each gets a successor and leaves when the
// successor is ready. With stop-first it leaves before the successor starts.
type rolling struct {
	*crews
	slots  []int                       // to be replaced; the first one is being replaced
	report func(why string, err error) // reports a failure, and for nil that all slots are done
}

// all replaces all workers, also recent ones. A slot whose worker is being replaced is replaced once
// more.
func (r *rolling) all(why string) {
	r.log.Info("replacing one worker after the other: " + why)
	r.slots = r.slots[:min(1, len(r.slots))]
	for i := range r.current.slots {
		r.slots = append(r.slots, i)
	}
	r.proceed()
}

// one replaces a single worker.
func (r *rolling) one(i int, why string) {
	r.log.Info("replacing a worker: "+why, "pid", r.current.slots[i].worker.pid)
	r.slots = append(r.slots, i)
	if len(r.slots) == 1 {
		r.proceed()
	}
}

// proceed takes all steps that do not need to wait.
func (r *rolling) proceed() {
	for len(r.slots) > 0 {
		i := r.slots[0]
		s := r.current.slots[i]
		if r.plan.StopFirst && !r.plan.isFront(i) {
			if !r.renew(i, s) {
				return
			}
			continue
		}
		switch {
		case s.successor == nil:
			successor, err := r.start(r.current, i)
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
			r.dismiss(s.worker)
		}
		s.worker, s.successor = s.successor, nil
		r.done()
	}
}

// done continues with the next slot.
func (r *rolling) done() {
	if r.slots = r.slots[1:]; len(r.slots) == 0 {
		r.report("", nil)
	}
}

// renew stops the worker in a slot and starts its successor. It returns true when the successor
// serves.
func (r *rolling) renew(i int, s *slot) (over bool) {
	if !s.rolled {
		s.rolled = true
		if s.worker != nil {
			r.dismiss(s.worker)
			s.worker = nil
			r.fill(r.current, i)
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
	for _, s := range r.current.slots {
		s.rolled = false
		if s.successor != nil {
			r.dismiss(s.successor)
			s.successor = nil
		}
	}
}

// giveUp ends the replacement after a failure.
func (r *rolling) giveUp(err error) {
	r.slots = nil
	r.log.Error("cannot replace the worker: the old one stays", "error", err)
	r.report("replacing a worker", err)
}
