// Package workers answers one question: who serves now? It keeps a crew of workers
// on the vassal's sockets, replaces what dies, and changes crews without losing a
// connection: the sockets are the master's and outlive everybody.
//
//	crew A serving --- reload ---> crew B starting --- all ready ---> crew B serving
//	                                   |                              crew A leaving
//	                                   +-- one fails --> crew B leaving, A serves on
//
// Where two instances would be in each other's way, A leaves before B starts, and starts
// again when B fails.
//
// One goroutine, that of Run, owns every record. Others only post events.
package workers

import (
	"context"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// Options is what a master needs. All is required unless it says otherwise.
type Options struct {
	// Plan is what to run first.
	Plan *Plan
	// Read reads the options of a reload: from the bytes of an order or, for nil, from
	// those that are in effect. It is called beside the loop, and may block for ever.
	// prepare makes the plan of them, in the loop, and must not block for long.
	Read func(*wire.Order) (prepare func() (*Plan, error))
	// System starts and ends processes.
	System System
	// Signals and Commands are what this process is told. Commands is closed when
	// the emperor is gone, and nil when there is none. Orders may be nil.
	Signals  <-chan os.Signal
	Commands <-chan wire.Command
	Orders   <-chan wire.Order
	// Report tells the emperor, and Answer what became of an order. Serial is that
	// of the order that started this process; zero: none.
	Report func(wire.Report)
	Answer func(serial uint64, kind wire.NoticeKind, text string)
	Serial uint64
	// Again says that a reload was asked for before there was anything to reload.
	Again bool
	// Mourn tells the emperor of workers that died, and that they have recovered, and Gap
	// for how long a reload has left the vassal without any.
	Mourn func(wire.Deaths)
	// Parted tells the emperor how a program ended that was asked to stop, unless it did so
	// cleanly.
	Parted func(wire.End)
	Gap    func(time.Duration)
	// Log gets what happens.
	Log *slog.Logger
}

// System is the operating system under a master. Its methods are called by the
// goroutine of Run, which is the main thread, and do not block.
type System interface {
	// Start starts a process. What becomes of it is posted: once its program runs,
	// or when that cannot be run.
	Start(s Spec, post func(Event)) (pid int, err error)
	// Signal sends a signal to a process that was not reaped yet, SignalGroup to its
	// process group, if it leads one, and Kill ends that at once.
	Signal(pid int, s os.Signal)
	SignalGroup(pid int, s os.Signal)
	Kill(pid int)
	// Reap collects one dead child of this process, whoever started it; pid is
	// zero when none is dead.
	Reap() (pid int, status namespaces.ExitStatus)
	// Orphans names children of this process that it has not started: what others have
	// left behind.
	Orphans() (names []string)
	// Leader returns the process that leads the session of pid.
	Leader(pid int) int
	// Usage returns what a worker and its descendants have used so far.
	Usage(pid int) namespaces.Usage
	// Notifications makes a socket for sd_notify(3) and returns its address. What
	// comes is posted with the sender's pid, which the kernel vouches for.
	Notifications(post func(Event)) (address string, err error)
	// Probe asks a worker until it answers or ctx ends.
	Probe(ctx context.Context, q Question) error
	// Watch posts the name of each file or tree that changes, until ctx ends.
	Watch(ctx context.Context, files, trees []string, post func(Event)) error
	// AwaitConnection posts a Knock when somebody connects, unless ctx ends before.
	AwaitConnection(ctx context.Context, p *Plan, post func(Event)) error
}

// master is the state of Run.
type master struct {
	Options
	events chan Event
	done   chan struct{} // closed when the loop has ended
	timer  *time.Timer

	crew    *crew // that serves, or is to
	next    *crew // of a reload in progress; nil
	trial   trial
	rolling []int // slots whose workers are replaced one by one
	// rollNext is why all of them are to be, after the reload; empty: they are not.
	rollNext string
	workers  map[int]*worker // by pid: all that live, leaving ones too
	unheard  []*worker       // dead ones of which it is not known why
	daemons  []*daemon       //
	serial   uint64          // of the last worker
	wanted   []request       // reloads that came during a reload
	current  request         // the reload in progress
	yielded  bool            // the crew that serves was ended for it
	undoing  error           // its failure, until the configuration before is ready again; nil: none
	gap      time.Time       // since when there is no worker because of that; zero: there is one
	gapped   bool            // the emperor was told of one that is not the last reload's any more
	reading  uint64          // numbers the reading of its options; zero: they are not being read
	reads    uint64          // how many there were
	readers  int             // that have not returned
	asleep   bool            // no workers until somebody connects
	notify   string          // address for sd_notify; empty until needed
	watch    context.CancelFunc
	knock    context.CancelFunc
	idle     idleness
	limitAt  time.Time // when limits are looked at next; zero: never
	deaths   wire.Deaths
	calmAt   time.Time // when they may be forgotten; zero: none are recent
	parting  wire.End  // the worst end of those that were asked to stop with all others
	speaker  int       // pid of the worker whose status was passed on last; zero: none

	served  bool // a crew was ready once
	unwell  bool // the emperor was told of a failure of what it did not order
	stopped bool
	exiting bool // the last hooks run, or ran
	failure error
	phases  int      // phases whose hooks run or wait
	hooking []func() // those of m.phases that have not ended, the first of which runs
}

// Run supervises until this process is told to stop, and returns nil, or until it
// cannot go on, and says why. When it returns no worker is left.
func Run(o Options) error {
	m := &master{
		Options: o, events: make(chan Event, 16), done: make(chan struct{}), timer: time.NewTimer(time.Hour), workers: map[int]*worker{},
	}
	defer m.timer.Stop()
	defer close(m.done)
	m.begin()
	if m.Again {
		m.reload(request{why: "it was asked for during the boot"})
	}
	for !m.finished() {
		m.arm()
		select {
		case s := <-m.Signals:
			m.signal(s)
		case c, ok := <-m.Commands:
			m.command(c, ok)
		case o := <-m.Orders:
			m.phase(hooks.EmperorReload, "")
			m.reload(request{why: "the emperor says so", order: &o})
		case e := <-m.events:
			m.handle(e)
		case <-m.timer.C:
		}
		m.due(time.Now())
	}
	m.stopWatching()
	m.stopListening()
	if m.failure == nil && m.parting != (wire.End{}) {
		m.Parted(m.parting)
	}
	return m.failure
}

// post hands an event to the loop. It is safe from any goroutine; events that
// come after the end are lost.
func (m *master) post(e Event) {
	select {
	case m.events <- e:
	case <-m.done:
	}
}

func (m *master) begin() {
	m.crew = newCrew(m.Plan)
	m.reap() // what the hooks left behind
	m.watchFiles()
	m.phase(hooks.MasterStart, "")
	m.startDaemons()
	m.limitAt = m.firstLook(time.Now())
	if m.stopped { // by a daemon that cannot be started
		return
	}
	if m.Plan.Idle.Cheap {
		m.sleep()
		m.accepting()
		return
	}
	m.muster(m.crew)
	m.settle()
}

// finished reports whether nobody is left. The last hooks run when that is so.
func (m *master) finished() bool {
	if !m.stopped || len(m.workers) > 0 || !m.daemonsGone() {
		return false
	}
	if !m.exiting {
		m.exiting = true
		m.phase(hooks.AsUserAtexit, "")
	}
	return m.phases == 0
}

func (m *master) signal(s os.Signal) {
	switch {
	case s == syscall.SIGCHLD:
		m.reap()
	case s == syscall.SIGTERM && m.plan().Workers.ReloadOnTerm:
		m.reload(request{why: "SIGTERM"})
	case s == syscall.SIGHUP:
		m.reload(request{why: "SIGHUP"})
	case s == syscall.SIGTERM, s == syscall.SIGINT, s == syscall.SIGQUIT:
		m.stop(s.String())
	default:
		for _, w := range m.crew.all() {
			if !m.plan().isFront(w.slot) {
				m.System.Signal(w.pid, s)
			}
		}
	}
}

func (m *master) command(c wire.Command, ok bool) {
	switch {
	case !ok:
		m.Commands = nil
		m.phase(hooks.EmperorLost, "")
		m.stop("the emperor is gone")
	case c == wire.Reload:
		m.phase(hooks.EmperorReload, "")
		m.reload(request{why: "the emperor says so"})
	case c == wire.Stop, c == wire.StopGracefully:
		m.phase(hooks.EmperorStop, "")
		m.stop("the emperor says so")
	}
}

// plan is the one in effect.
func (m *master) plan() *Plan { return m.crew.plan }

// fail stops everything and makes err the result of Run, whose caller logs it.
func (m *master) fail(err error) {
	if m.failure == nil {
		m.failure = err
	}
	m.stop("after a failure")
}

// stop asks everybody to end and sets the time of their death.
func (m *master) stop(why string) {
	if m.stopped {
		return
	}
	m.stopped = true
	m.Log.Info("stopping: " + why)
	if m.reloading() {
		m.abandon(errStopping)
	}
	if m.trial.cancel != nil {
		m.trial.cancel()
	}
	m.stopListening()
	for _, w := range m.workers {
		m.dismiss(w)
	}
	m.unheard = nil
	m.stopDaemons()
}

// accepting says, once, that the vassal can be used.
func (m *master) accepting() {
	if m.served {
		return
	}
	m.served = true
	m.Report(wire.Accepting)
	if m.Serial != 0 {
		m.Answer(m.Serial, wire.Ready, "")
	}
}

// phase runs hooks beside the loop, each phase after the one before.
func (m *master) phase(p hooks.Phase, file string) {
	if !m.plan().HasHooks(p) {
		return
	}
	m.phases++
	run := m.plan().RunHooks(p, file)
	m.hooking = append(m.hooking, func() { m.post(Event{kind: hooked, err: run()}) })
	if len(m.hooking) == 1 {
		go m.hooking[0]()
	}
}

// hooked goes on with the next phase.
func (m *master) hooked() {
	m.phases--
	if m.hooking = m.hooking[1:]; len(m.hooking) > 0 {
		go m.hooking[0]()
	}
}
