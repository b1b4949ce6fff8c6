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
	"os"
	"syscall"
	"time"

	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/wire"
)

// master is the state of Run: it passes events to the service and to the reload, and the turns in the
// life of workers from one to the other.
type master struct {
	options Options
	base    *base
	timer   *time.Timer
	service service
	reload  reload

	exiting   bool     // the last hooks have been started
	failure   error    // the result of Run
	worst     worstEnd // of the programs that were stopped
	statusPID int      // pid of the worker whose status was reported last; zero: none
}

func newMaster(o Options) *master {
	b := &base{system: o.System, log: o.Log, plan: o.Plan, events: make(chan Event, 16), done: make(chan struct{})}
	m := &master{options: o, base: b, timer: time.NewTimer(time.Hour)}
	cs := &crews{pool: pool{base: b, living: map[int]*worker{}}, current: newCrew(o.Plan), supervisor: m}
	m.service = service{
		base: b, crews: cs, rolling: &rolling{crews: cs, report: m.reload.report},
		daemons: daemons{base: b, fail: m.fail, worst: &m.worst, vacated: m.daemonsVacated},
		idle:    idleness{base: b, fail: m.fail},
		crashes: crashes{report: o.ReportDeaths, log: o.Log},
		hooks:   hookQueue{base: b}, watch: fileWatch{base: b},
		settle: m.settle, withdraw: m.withdraw,
	}
	m.reload = reload{service: &m.service, options: m.read, stop: m.stop, answer: o.Answer, gap: gap{report: o.Gap}, log: o.Log, state: reloadNone}
	if o.Orders == nil { // a uWSGI Emperor knows no other answer
		m.reload.accepting = func() { o.Report(wire.Accepting) }
	}
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
			m.service.phase(hooks.EmperorReload, "")
			m.reload.ask(request{why: "requested by the emperor", order: &o})
		case e := <-m.base.events:
			e.apply(m)
		case <-m.timer.C:
		}
		m.due(time.Now())
	}
	m.service.watch.end()
	m.service.idle.stopListening()
	if end := m.worst.end; m.failure == nil && end != (wire.End{}) {
		m.options.ReportEnd(end)
	}
	return m.failure
}

func (m *master) begin() {
	m.reap() // children of hooks
	m.service.watch.follow()
	m.service.phase(hooks.MasterStart, "")
	m.service.daemons.begin()
	m.service.measure(time.Now())
	if m.base.stopped { // a daemon that cannot be started has stopped the vassal
		return
	}
	if m.base.plan.Idle.Cheap {
		m.service.idle.sleep()
		m.accepting()
		return
	}
	m.service.fill(m.service.crews.current)
}

// finished reports whether all processes have ended and the last hooks have run. It starts these
// hooks.
func (m *master) finished() bool {
	if !m.base.stopped || len(m.service.crews.living) > 0 || len(m.service.daemons.list) > 0 {
		return false
	}
	if !m.exiting {
		m.exiting = true
		m.service.phase(hooks.AsUserAtexit, "")
	}
	return m.service.hooks.empty()
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
		m.service.crews.signal(s)
	}
}

func (m *master) command(c wire.Command, ok bool) {
	switch {
	case !ok:
		m.options.Commands = nil
		m.service.phase(hooks.EmperorLost, "")
		m.stop("the emperor is gone")
	case c == wire.Reload:
		m.service.phase(hooks.EmperorReload, "")
		m.reload.ask(request{why: "requested by the emperor"})
	case c == wire.Stop, c == wire.StopGracefully:
		m.service.phase(hooks.EmperorStop, "")
		m.stop("requested by the emperor")
	}
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
	m.service.daemons.stopProbe()
	m.service.idle.stopListening()
	m.service.crews.dismissAll()
	m.service.daemons.stop()
}

// accepting reports once that the vassal serves.
func (m *master) accepting() {
	if m.service.served {
		return
	}
	m.service.served = true
	m.options.Report(wire.Accepting)
	if m.options.Serial != 0 {
		m.options.Answer(m.options.Serial, wire.Ready, "")
	}
}

// withdraw stops the vassal because it is idle. The emperor starts it again.
func (m *master) withdraw(why string) {
	m.options.Report(wire.Withdraw)
	m.stop(why)
}

// read reads the options of a reload outside the loop.
func (m *master) read(id uint64, order *wire.Order) {
	go func() { m.base.post(optionsRead{id, m.options.Read(order)}) }()
}
