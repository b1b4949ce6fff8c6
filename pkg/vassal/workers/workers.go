package workers

import (
	"context"
	"fmt"
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
