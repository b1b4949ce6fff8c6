package workers

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/wire"
)

// Event is an observation that a goroutine outside the loop, or a System, passes to the loop.
// Only this package defines events.
type Event interface{ apply(m *master) }

type (
	// executed: the program of process id runs.
	executed struct{ id uint64 }
	// refused: the program of process id cannot be run.
	refused struct {
		id  uint64
		err error
	}
	// probed: a worker has answered its probe. With an error: one attempt has failed.
	probed struct {
		id  uint64
		err error
	}
	// daemonAttempt: one attempt to probe the daemons has failed.
	daemonAttempt struct{ err error }
	// daemonsProbed: the probe of the daemons of a plan has ended.
	daemonsProbed struct {
		plan *Plan
		err  error
	}
	// inquiry: a probe asks for the processes that may answer it. Id zero asks for the daemons.
	inquiry struct {
		id    uint64
		reply chan<- Members
	}
	// notification: process pid has sent a datagram by sd_notify(3).
	notification struct {
		pid  int
		text string
	}
	// fileChanged: a watched file or tree has changed.
	fileChanged struct{ name string }
	// connected: the first connection has come, and there are no workers.
	connected struct{}
	// hooksRan: the hooks of a phase have ended.
	hooksRan struct{ err error }
	// daemonLost: a process that is not a child of this one has died.
	daemonLost struct{ id uint64 }
	// optionsRead: the options of a reload have been read.
	optionsRead struct {
		id      uint64
		prepare func() (*Plan, error)
	}
)

// Refusal returns the error of an event about a program that cannot be run, and nil for other
// events.
func Refusal(e Event) error {
	if r, ok := e.(refused); ok {
		return r.err
	}
	return nil
}

func (e executed) apply(m *master) {
	if w := m.service.crews.byID(e.id); w != nil {
		m.service.crews.advance(w, workerExecuted, nil)
	}
}

func (e refused) apply(m *master) {
	if m.service.daemons.refused(e.id, e.err) {
		return
	}
	if w := m.service.crews.byID(e.id); w != nil {
		m.service.crews.advance(w, workerRefused, e.err)
	}
}

func (e probed) apply(m *master) {
	w := m.service.crews.byID(e.id)
	switch {
	case w == nil:
	case e.err != nil:
		w.why = e.err.Error()
	default:
		m.service.crews.advance(w, workerAnswered, nil)
	}
}

func (e daemonAttempt) apply(m *master) { m.service.daemons.why = e.err.Error() }
func (e daemonsProbed) apply(m *master) { m.daemonsProbed(e.plan, e.err) }
func (e inquiry) apply(m *master)       { e.reply <- m.service.members(e.id) }
func (connected) apply(m *master)       { m.service.wake() }
func (e daemonLost) apply(m *master)    { m.service.daemons.lostByID(e.id) }
func (e optionsRead) apply(m *master)   { m.reload.read(e.id, e.prepare) }

func (e hooksRan) apply(m *master) {
	m.service.hooks.next()
	if e.err != nil {
		m.fail(e.err)
	}
}

// apply handles the lines of a datagram. Only workers, and processes in their sessions, may send
// notifications.
func (e notification) apply(m *master) {
	w := m.service.crews.living[e.pid]
	if w == nil {
		w = m.service.crews.living[m.base.system.Leader(e.pid)]
	}
	if w == nil {
		m.base.log.Debug("a process that is no worker notifies", "pid", e.pid)
		return
	}
	for line := range strings.SplitSeq(e.text, "\n") {
		key, value, _ := strings.Cut(line, "=")
		switch {
		case line == "READY=1" && w.crew.plan.notifies(w.slot):
			m.service.crews.advance(w, workerNotified, nil)
		case line == "LOYAL=1":
			m.options.Report(wire.Loyal)
		case line == "WATCHDOG=1":
			m.options.Report(wire.Heartbeat)
		case key == "STATUS" && value != "" && (!w.state.leaving() || m.base.stopped): // a leaving worker does not serve
			m.base.log.Info("status", "pid", w.pid, "text", value)
			m.statusPID = w.pid
			m.options.Answer(0, wire.Status, value)
		}
	}
}

// statusOver clears the status that a dead worker has reported.
func (m *master) statusOver(w *worker) {
	if w.pid == m.statusPID {
		m.statusPID = 0
		m.options.Answer(0, wire.Status, "")
	}
}

// apply handles the change of a file. Hooks, daemons and reloads may depend on the file.
func (e fileChanged) apply(m *master) {
	p, name := m.base.plan, e.name
	if slices.ContainsFunc(p.Hooks[hooks.Touch], func(h hooks.Hook) bool { return h.Subject() == name }) {
		m.service.phase(hooks.Touch, name)
	}
	m.service.daemons.touch(name)
	switch why := fmt.Sprintf("%s has changed", name); {
	case slices.Contains(p.Triggers.Touch, name), slices.Contains(p.Triggers.Trees, name):
		m.reload.ask(request{why: why})
	case slices.Contains(p.Triggers.Chain, name):
		m.reload.step(reloadRoll, details{why: why})
	}
}
