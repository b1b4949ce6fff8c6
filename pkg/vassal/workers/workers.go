package workers

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/emperor-go/emperor/internal/backoff"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// crew is one generation of workers: all run the same plan.
type crew struct {
	plan  *Plan
	slots []*slot
}

// slot is a place for a worker.
type slot struct {
	worker  *worker // nil while a dead one is to be replaced
	heir    *worker // that is to take over when it is ready; nil
	deaths  int
	restart time.Time // when it is filled again; zero: not to be
	waiting bool      // it is filled when workers in its way have left
	rolled  bool      // its worker was ended to be replaced
}

// worker is a process that serves, or is about to, or did.
type worker struct {
	id      uint64
	pid     int
	crew    *crew
	slot    int
	since   time.Time
	told    bool   // its stage has said whether its program runs
	exit    string // of one that died before that was heard; empty: it lives
	said    bool   // READY=1
	probed  bool   // a probe was answered
	why     string // the last one was not; empty: none was tried
	ready   bool
	proveBy time.Time          // until when it must live for that to count; zero: it counts
	readyBy time.Time          // until when it is waited for, or for why it died; zero: it is ready
	killAt  time.Time          // of one that was asked to leave; zero otherwise
	killed  bool               // since it did not leave
	probing context.CancelFunc // ends its probe; nil
}

func newCrew(p *Plan) *crew {
	c := &crew{plan: p, slots: make([]*slot, p.size())}
	for i := range c.slots {
		c.slots[i] = &slot{}
	}
	return c
}

// all are the workers in place, heirs too.
func (c *crew) all() (list []*worker) {
	for _, s := range c.slots {
		for _, w := range []*worker{s.worker, s.heir} {
			if w != nil {
				list = append(list, w)
			}
		}
	}
	return list
}

// complete reports whether there is a ready worker in every slot.
func (c *crew) complete() bool {
	for _, s := range c.slots {
		if s.worker == nil || !s.worker.ready {
			return false
		}
	}
	return true
}

// proven reports whether the crew is complete, and has lived long enough since.
func (c *crew) proven() bool {
	for _, s := range c.slots {
		if s.worker == nil || !s.worker.proven() {
			return false
		}
	}
	return true
}

func (w *worker) proven() bool { return w.ready && w.proveBy.IsZero() }

// muster fills every empty slot of a crew.
func (m *master) muster(c *crew) {
	for i := range c.slots {
		m.staff(c, i)
	}
}

// staff fills a slot, if it is empty, once no worker is in the way. A worker that cannot
// even be started is tried again later, like one that has died.
func (m *master) staff(c *crew, i int) {
	s := c.slots[i]
	if s.worker != nil || !m.wants(c) {
		return
	}
	s.restart = time.Time{}
	if s.waiting = m.obstructed(c); s.waiting {
		return
	}
	if err := m.fill(c, i); err != nil {
		m.failed(c, i, nil, err)
	}
}

// wants reports whether a crew is to have workers: that one of them cannot be
// started may have been the end of all.
func (m *master) wants(c *crew) bool { return !m.stopped && (c == m.crew || c == m.next) }

// fill starts a worker in an empty slot.
func (m *master) fill(c *crew, i int) (err error) {
	c.slots[i].worker, err = m.hire(c, i)
	return err
}

// hire starts a worker for a slot, which is not put there.
func (m *master) hire(c *crew, i int) (*worker, error) {
	p := c.plan
	m.serial++
	spec := Spec{ID: m.serial, Name: "worker", Program: p.programOf(i), Sockets: p.socketsOf(i), Env: p.Env, Dir: p.Dir}
	if p.isFront(i) {
		spec.Behind = p.Front.Behind
	} else if i == 0 {
		spec.Terminal = p.Terminal
	}
	if p.notifies(i) {
		if err := m.listenForNotifications(); err != nil {
			return nil, err
		}
		spec.Env = append(spec.Env[:len(spec.Env):len(spec.Env)], "NOTIFY_SOCKET="+m.notify)
	}
	pid, err := m.System.Start(spec, m.post)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	w := &worker{id: m.serial, pid: pid, crew: c, slot: i, since: now, readyBy: now.Add(p.Ready.Timeout)}
	m.workers[pid] = w
	m.Log.Info("worker started", "worker", i+1, "pid", pid, "program", spec.Program.Args[0])
	return w, nil
}

// dismiss asks a worker to leave and sets the time of its death. Why one has died
// that nobody wants any more need not be known.
func (m *master) dismiss(w *worker) {
	if w.exit != "" {
		m.heard(w)
		return
	}
	if !w.killAt.IsZero() {
		return
	}
	w.killAt = time.Now().Add(w.crew.plan.mercy())
	w.readyBy = time.Time{}
	w.stopProbe()
	m.System.Signal(w.pid, w.stopSignal())
}

// stopSignal asks the worker to leave.
func (w *worker) stopSignal() syscall.Signal {
	if sig := w.crew.plan.Workers.StopSignal; sig != 0 {
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

// isReady notes that a worker serves, and goes on with what waits for that.
func (m *master) isReady(w *worker) {
	if w.ready || w.exit != "" || !w.killAt.IsZero() {
		return
	}
	w.ready, w.readyBy = true, time.Time{}
	if w.crew.plan.Proof > 0 {
		w.proveBy = time.Now().Add(w.crew.plan.Proof)
	}
	w.stopProbe()
	m.Log.Debug("worker ready", "pid", w.pid, "took", time.Since(w.since).Round(time.Millisecond))
	if w.crew != m.next { // those of a reload accept when it is over
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

// settle takes the steps that were waiting for workers to be ready.
func (m *master) settle() {
	if m.next != nil && m.next.complete() {
		m.bridged()
	}
	if m.next != nil && m.next.proven() {
		m.relieve()
	}
	m.roll()
	if m.crew.complete() && (m.served || m.daemonsAnswer()) {
		if m.trial.before == nil && (m.undoing == nil || m.daemonsBack()) {
			m.bridged()
		}
		m.accepting()
	}
	if m.undoing != nil && m.crew.proven() && m.daemonsBack() {
		m.undone(nil)
	}
}

// failed handles a worker that did not become ready, or, for nil, that could not be
// started.
func (m *master) failed(c *crew, i int, w *worker, err error) {
	s := c.slots[i]
	switch {
	case c == m.next:
		m.abandon(err)
	case w != nil && w == s.heir:
		m.dismiss(s.heir)
		s.heir = nil
		m.cannotReplace(err)
	case !m.served:
		m.fail(err)
	case c == m.crew:
		if s.worker != nil {
			m.dismiss(s.worker)
			s.worker = nil
		}
		m.Log.Warn("cannot start the worker", "worker", i+1, "error", err, "restart", m.later(s, err.Error(), 0))
		m.undone(err)
	}
}

// later sets the time at which a slot is filled again whose worker died, or could not
// be started, and returns how long that is.
func (m *master) later(s *slot, why string, lived time.Duration) (wait time.Duration) {
	if lived >= restartReset {
		s.deaths = 0
	}
	wait = backoff.Wait(restartFirst, restartMax, s.deaths+1)
	if lived >= restartReset {
		wait = 0 // the others serve; so shall this one
	}
	if lived < forkbomb && s.deaths > 0 { // again and again
		wait = max(wait, min(m.plan().Workers.ForkbombDelay, restartMax))
	}
	s.deaths++
	s.restart = time.Now().Add(wait)
	m.mourn(why, s.restart)
	return wait
}

// relieve lets the next crew take over.
func (m *master) relieve() {
	before := m.crew
	if m.gapped && !m.yielded {
		m.Gap(0)
		m.gapped = false
	}
	m.crew, m.next, m.rolling, m.yielded = m.next, nil, nil, false
	for _, w := range before.all() {
		m.dismiss(w)
	}
	m.asleep = false
	m.recovered()
	m.stopListening()
	asks := m.asksDaemons()
	if !asks && m.crew.plan != before.plan {
		m.commit()
	}
	m.follow(before.plan)
	for _, s := range m.crew.slots {
		if s.worker != nil && s.worker.ready {
			m.accepts(s.worker)
		}
	}
	m.Log.Info("workers replaced", "why", m.current.why, "workers", len(m.crew.slots))
	if asks {
		m.trial.before, m.gap = before.plan, time.Now()
		m.tryDaemons()
	} else {
		m.conclude(nil)
	}
}

// commit closes what only the plan before needed.
func (m *master) commit() {
	if m.plan().Commit != nil {
		m.plan().Commit()
	}
}

// follow changes the files that are watched, the daemons and the limits to those of the
// plan in effect.
func (m *master) follow(before *Plan) {
	m.watchFiles()
	m.changeDaemons(before)
	m.limitAt = m.firstLook(time.Now())
}

func notReady(w *worker) error {
	err := fmt.Errorf("worker %d was not ready within %v", w.pid, w.crew.plan.Ready.Timeout)
	switch {
	case w.why != "":
		return fmt.Errorf("%w: %s", err, w.why)
	case w.crew.plan.notifies(w.slot) && !w.said:
		return fmt.Errorf("%w: it has not said READY=1", err)
	}
	return err
}
