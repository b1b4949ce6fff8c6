// Package workers answers one question: which processes serve now? A master keeps a crew of workers
// on the vassal's sockets, replaces workers that die, and changes crews without losing a connection:
// the sockets belong to the master and outlive all crews.
//
//	crew A serving --- reload ---> crew B starting --- all ready ---> crew B serving
//	                                   |                              crew A leaving
//	                                   +-- one fails --> crew B leaving, crew A still serves
//
// With stop-first, A leaves before B starts, and starts again when B fails. states.go has the life of
// a worker and the course of a reload as tables.
//
// One goroutine, the caller of Run, owns every record. Others only post events.
package workers

import (
	"context"
	"os"
	"syscall"
	"time"

	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/wire"
)

// master is the state of Run.
type master struct {
	options Options
	base    *base
	timer   *time.Timer

	pool    pool
	crew    *crew // the crew that serves or is starting
	reload  reloader
	rolling rolling
	daemons daemons
	idle    idleness
	limits  limits
	crashes crashes
	hooks   hookQueue
	watch   fileWatch

	served    bool     // a crew was ready at least once
	exiting   bool     // the last hooks have been started
	failure   error    // the result of Run
	worst     worstEnd // of the programs that were stopped
	statusPID int      // pid of the worker whose status was reported last; zero: none
}

func newMaster(o Options) *master {
	b := &base{system: o.System, log: o.Log, plan: o.Plan, events: make(chan Event, 16), done: make(chan struct{})}
	m := &master{options: o, base: b, timer: time.NewTimer(time.Hour), crew: newCrew(o.Plan)}
	m.pool = pool{base: b, living: map[int]*worker{}}
	m.crashes = crashes{report: o.ReportDeaths, log: o.Log}
	m.hooks = hookQueue{base: b}
	m.watch = fileWatch{base: b}
	m.daemons = daemons{base: b, fail: m.fail, worst: &m.worst, vacated: m.daemonsVacated}
	m.reload = reloader{m: m, state: reloadNone}
	m.rolling = rolling{m: m}
	m.idle = idleness{m: m}
	m.limits = limits{m: m}
	return m
}

// Run supervises the workers. It returns nil when this process was asked to stop, or the reason
// why it cannot continue. No worker is left when it returns.
func Run(o Options) error {
	m := newMaster(o)
	defer m.timer.Stop()
	defer close(m.base.done)
	m.begin()
	if m.options.Again {
		m.reload.ask(request{why: "requested during the boot"})
	}
	for !m.finished() {
		m.arm()
		select {
		case s := <-m.options.Signals:
			m.signal(s)
		case c, ok := <-m.options.Commands:
			m.command(c, ok)
		case o := <-m.options.Orders:
			m.phase(hooks.EmperorReload, "")
			m.reload.ask(request{why: "requested by the emperor", order: &o})
		case e := <-m.base.events:
			e.apply(m)
		case <-m.timer.C:
		}
		m.due(time.Now())
	}
	m.watch.end()
	m.idle.stopListening()
	if end := m.worst.end; m.failure == nil && end != (wire.End{}) {
		m.options.ReportEnd(end)
	}
	return m.failure
}

func (m *master) begin() {
	m.reap() // children of hooks
	m.watch.follow()
	m.phase(hooks.MasterStart, "")
	m.daemons.begin()
	m.limits.reset(time.Now())
	if m.base.stopped { // a daemon that cannot be started has stopped the vassal
		return
	}
	if m.base.plan.Idle.Cheap {
		m.idle.sleep()
		m.accepting()
		return
	}
	m.fillAll(m.crew)
	m.settle()
}

// finished reports whether all processes have ended and the last hooks have run. It starts these
// hooks.
func (m *master) finished() bool {
	if !m.base.stopped || len(m.pool.living) > 0 || len(m.daemons.list) > 0 {
		return false
	}
	if !m.exiting {
		m.exiting = true
		m.phase(hooks.AsUserAtexit, "")
	}
	return m.hooks.empty()
}

func (m *master) signal(s os.Signal) {
	switch {
	case s == syscall.SIGCHLD:
		m.reap()
	case s == syscall.SIGTERM && m.base.plan.Workers.ReloadOnTerm:
		m.reload.ask(request{why: "SIGTERM"})
	case s == syscall.SIGHUP:
		m.reload.ask(request{why: "SIGHUP"})
	case s == syscall.SIGTERM, s == syscall.SIGINT, s == syscall.SIGQUIT:
		m.stop(s.String())
	default:
		m.signalPrograms(s)
	}
}

// signalPrograms sends a signal to all workers except the built-in server in front of the
// program.
func (m *master) signalPrograms(s os.Signal) {
	for _, w := range m.crew.all() {
		if !m.base.plan.isFront(w.slot) {
			m.base.system.Signal(w.pid, s)
		}
	}
}

func (m *master) command(c wire.Command, ok bool) {
	switch {
	case !ok:
		m.options.Commands = nil
		m.phase(hooks.EmperorLost, "")
		m.stop("the emperor is gone")
	case c == wire.Reload:
		m.phase(hooks.EmperorReload, "")
		m.reload.ask(request{why: "requested by the emperor"})
	case c == wire.Stop, c == wire.StopGracefully:
		m.phase(hooks.EmperorStop, "")
		m.stop("requested by the emperor")
	}
}

// replaceCrew puts a crew and its plan into effect, and returns the previous crew.
func (m *master) replaceCrew(c *crew) (before *crew) {
	before = m.crew
	m.crew, m.base.plan = c, c.plan
	return before
}

// fail stops everything. err becomes the result of Run, which the caller logs.
func (m *master) fail(err error) {
	if m.failure == nil {
		m.failure = err
	}
	m.stop("after a failure")
}

// stop asks all processes to stop and sets the times at which they are killed.
func (m *master) stop(why string) {
	if m.base.stopped {
		return
	}
	m.base.stopped = true
	m.base.log.Info("stopping: " + why)
	m.reload.step(reloadStop, details{err: errStopping})
	m.daemons.stopProbe()
	m.idle.stopListening()
	m.dismissAll()
	m.daemons.stop()
}

// accepting reports once that the vassal serves.
func (m *master) accepting() {
	if m.served {
		return
	}
	m.served = true
	m.options.Report(wire.Accepting)
	if m.options.Serial != 0 {
		m.options.Answer(m.options.Serial, wire.Ready, "")
	}
}

// phase runs hooks of the plan in effect outside the loop.
func (m *master) phase(p hooks.Phase, file string) { m.hooks.run(m.base.plan, p, file) }

// follow changes the watched files, the daemons and the limits to those in the new plan.
func (m *master) follow(before *Plan) {
	m.watch.follow()
	m.daemons.change(before)
	m.limits.reset(time.Now())
}

// fileWatch watches the files that a plan names.
type fileWatch struct {
	*base
	cancel context.CancelFunc // nil: nothing is watched
}

// follow watches exactly the files of the plan in effect.
func (f *fileWatch) follow() {
	f.end()
	p := f.plan
	files := append(append([]string{}, p.Triggers.Touch...), p.Triggers.Chain...)
	for _, h := range p.Hooks[hooks.Touch] {
		files = append(files, h.Subject())
	}
	for _, d := range p.Daemons {
		files = append(files, d.Touch...)
	}
	if len(files)+len(p.Triggers.Trees) == 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	if err := f.system.Watch(ctx, files, p.Triggers.Trees, f.post); err != nil {
		f.log.Error("cannot watch for changes: reload by hand", "error", err)
	}
}

// end ends the watch; without one it does nothing.
func (f *fileWatch) end() {
	if f.cancel != nil {
		f.cancel()
		f.cancel = nil
	}
}

// hookQueue runs hooks outside the loop, one phase after the other.
type hookQueue struct {
	*base
	waiting []func() // the first one runs
}

// run runs the hooks of a phase of a plan. file is the file of phases that have one.
func (q *hookQueue) run(plan *Plan, p hooks.Phase, file string) {
	if !plan.HasHooks(p) {
		return
	}
	run := plan.RunHooks(p, file)
	q.waiting = append(q.waiting, func() { q.post(hooksRan{run()}) })
	if len(q.waiting) == 1 {
		go q.waiting[0]()
	}
}

// next runs the next phase after one has ended.
func (q *hookQueue) next() {
	if q.waiting = q.waiting[1:]; len(q.waiting) > 0 {
		go q.waiting[0]()
	}
}

func (q *hookQueue) empty() bool { return len(q.waiting) == 0 }
