package workers

import (
	"errors"
	"fmt"
	"strings"

	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/wire"
)

// Event is what somebody beside the loop has seen.
type Event struct {
	kind kind
	id   uint64 // of the process that was started; executed and failed, probed. Of the reading; wasRead
	pid  int    // of the sender; notified
	text string // notified, changed
	err  error

	prepare func() (*Plan, error) // wasRead
	crews   chan<- Members        // inquired
	plan    *Plan                 // tried
}

type kind int

const (
	executed kind = iota + 1 // the program runs
	failed                   // the program cannot be run
	probed                   // a probe was answered, or why not
	tried                    // the probe of daemons is over
	inquired                 // a probe asks which processes may answer it
	notified                 // a datagram of sd_notify(3)
	changed                  // a watched file or tree has changed
	knocked                  // somebody connects
	hooked                   // hooks have run
	gone                     // a process that is not our child is dead
	wasRead                  // the options of a reload have been read
)

// Executed says that the program of process id runs.
func Executed(id uint64) Event { return Event{kind: executed, id: id} }

// Failed says that the program of process id cannot be run.
func Failed(id uint64, err error) Event { return Event{kind: failed, id: id, err: err} }

// Err is why a program cannot be run; nil for any other event.
func (e Event) Err() error {
	if e.kind != failed {
		return nil
	}
	return e.err
}

// Notified passes on what process pid sent by sd_notify(3).
func Notified(pid int, text string) Event { return Event{kind: notified, pid: pid, text: text} }

// Changed says that a watched file or tree is not what it was.
func Changed(name string) Event { return Event{kind: changed, text: name} }

// Knock says that somebody connects while there are no workers.
func Knock() Event { return Event{kind: knocked} }

func (m *master) handle(e Event) {
	switch e.kind {
	case executed:
		m.runs(e.id)
	case failed:
		m.cannotRun(e.id, e.err)
	case tried:
		m.wereTried(e.plan, e.err)
	case probed:
		if e.id == 0 {
			m.trial.why = e.err.Error()
		} else if w := m.byID(e.id); w != nil {
			m.wasProbed(w, e.err)
		}
	case inquired:
		e.crews <- m.membersFor(e.id)
	case notified:
		m.notice(e.pid, e.text)
	case changed:
		m.touched(e.text)
	case knocked:
		m.wake()
	case hooked:
		m.hooked()
		if e.err != nil {
			m.fail(e.err)
		}
	case wasRead:
		m.read(e.id, e.prepare)
	case gone:
		m.daemonGone(e.id)
	}
}

func (m *master) byID(id uint64) *worker {
	for _, w := range m.workers {
		if w.id == id {
			return w
		}
	}
	for _, w := range m.unheard {
		if w.id == id {
			return w
		}
	}
	return nil
}

// runs handles a worker whose program runs, which is all that it takes to be
// ready where nothing else is asked for.
func (m *master) runs(id uint64) {
	w := m.byID(id)
	if w == nil || !w.killAt.IsZero() {
		return
	}
	w.told = true
	if w.exit != "" {
		m.heard(w)
		m.bereft(w, w.exit)
		return
	}
	m.advance(w)
}

// advance takes a worker the next step on its way to be ready: its program runs, it has
// said so where it is to, and it has answered where a probe asks.
func (m *master) advance(w *worker) {
	p := w.crew.plan
	switch {
	case !w.killAt.IsZero(), !w.told && !w.said, p.notifies(w.slot) && !w.said:
	case p.probes(w.slot) && !w.probed:
		m.probe(w)
	default:
		m.isReady(w)
	}
}

func (m *master) cannotRun(id uint64, err error) {
	if d := m.daemonByID(id); d != nil {
		m.Log.Error("cannot start the daemon", "command", d.spec.Text, "error", err)
		return // it dies, too
	}
	w := m.byID(id)
	if w == nil || !w.killAt.IsZero() {
		return
	}
	w.told = true
	m.heard(w)
	m.failed(w.crew, w.slot, w, err)
}

// notice handles the lines of a datagram. Only what a worker, or a process in
// its session, has sent counts.
func (m *master) notice(pid int, text string) {
	w := m.workers[pid]
	if w == nil {
		w = m.workers[m.System.Leader(pid)]
	}
	if w == nil {
		m.Log.Debug("somebody who is no worker notifies", "pid", pid)
		return
	}
	for line := range strings.SplitSeq(text, "\n") {
		key, value, _ := strings.Cut(line, "=")
		switch {
		case line == "READY=1" && w.crew.plan.notifies(w.slot):
			w.said = true
			m.advance(w)
		case line == "LOYAL=1":
			m.Report(wire.Loyal)
		case line == "WATCHDOG=1":
			m.Report(wire.Heartbeat)
		case key == "STATUS" && value != "" && (w.killAt.IsZero() || m.stopped): // the others serve by now
			m.Log.Info("status", "pid", w.pid, "text", value)
			m.speaker = w.pid
			m.Answer(0, wire.Status, value)
		}
	}
}

// touched handles the change of a file that somebody watches.
func (m *master) touched(name string) {
	p := m.plan()
	for _, h := range p.Hooks[hooks.Touch] {
		if h.Subject() == name {
			m.phase(hooks.Touch, name)
			break
		}
	}
	m.touchDaemons(name)
	switch {
	case contains(p.Triggers.Touch, name), contains(p.Triggers.Trees, name):
		m.reload(request{why: fmt.Sprintf("%s has changed", name)})
	case contains(p.Triggers.Chain, name):
		m.rollAll(fmt.Sprintf("%s has changed", name))
	}
}

// errControl ends the vassal.
var errControl = errors.New("a control daemon has ended")
