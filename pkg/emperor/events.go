package emperor

import (
	"time"

	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// monitorReported: a monitor has a new set.
type monitorReported struct {
	source int
	plans  []*Plan
}

func (f monitorReported) apply(e *Emperor) {
	e.sets[f.source] = f.plans
	if f.source < e.reconciled {
		e.reconcile(f.source, f.plans)
	}
	// The first sets are processed in the order of the monitors, whichever is faster: of two
	// files with one name always the same one runs.
	for plans, there := e.sets[e.reconciled]; there; plans, there = e.sets[e.reconciled] {
		e.reconciled++
		e.reconcile(e.reconciled-1, plans)
	}
}

// monitorFailed: a monitor could not take its first read.
type monitorFailed struct{ err error }

func (b monitorFailed) apply(e *Emperor) {
	e.err = b.err
	e.stopAll()
}

// generationOf names the generation of an event.
type generationOf struct {
	v          *vassal
	generation uint64
}

func (a generationOf) stale() bool { return a.v.run.generation != a.generation }

// launched: a launch is complete.
type launched struct {
	generationOf
	process Process
	err     error
}

func (l launched) apply(e *Emperor) {
	e.line.release(l.v)
	if l.err != nil {
		l.v.history.cause = l.err
		e.input(l.v, LaunchFailed)
		return
	}
	l.v.run.process, l.v.history.at.lastRun = l.process, time.Now()
	if l.v.history.at.firstRun.IsZero() {
		l.v.history.at.firstRun = l.v.history.at.lastRun
	}
	e.group.Add(1)
	go l.process.Watch(func(m Message) { e.post(received{l.generationOf, m}) }, func(x Exit) {
		defer e.group.Done()
		e.post(exited{l.generationOf, x})
	})
	e.input(l.v, Launched)
}

// slowLaunched: a launch takes long enough to give up its place.
type slowLaunched struct{ generationOf }

func (s slowLaunched) apply(e *Emperor) {
	if !s.stale() {
		e.line.release(s.v)
	}
}

// exited: a process is dead and reaped.
type exited struct {
	generationOf
	exit Exit
}

func (x exited) apply(e *Emperor) {
	x.exit.Reason = e.vassals.withHolder(x.v, x.v.run.config, oneLine(x.exit.Reason))
	x.v.history.exit, x.v.history.at.exited = &x.exit, time.Now()
	x.v.history.status, x.v.history.phase = "", "" // they concerned that process
	x.v.outcome.rest = restAfter(x.v.outcome.rest, x.exit.Err == nil && x.exit.Code == wire.Exile)
	e.input(x.v, Exited)
}

// cleared: everything of a generation is gone.
type cleared struct {
	generationOf
	err  error
	last string
	kept namespaces.Sockets
}

func (c cleared) apply(e *Emperor) {
	c.v.takeSockets(c.kept)
	if c.v.history.exit != nil {
		c.v.history.exit.Last = oneLine(c.last)
	}
	if c.err != nil {
		c.v.log.Error("cannot remove all that was left", "error", c.err)
	}
	c.v.run.process = nil
	e.input(c.v, Cleared)
}

// due: a timer has expired.
type due struct {
	v     *vassal
	alarm uint64
}

func (d due) apply(e *Emperor) {
	if d.v.alarm == d.alarm {
		e.input(d.v, Due)
	}
}
