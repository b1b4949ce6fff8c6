// Package emperor answers one question: what should happen now?
//
// One goroutine, the one in Run, owns every vassal's record. Monitors, launches,
// processes and timers report to it by events; it looks the event up in the
// table of states.go and has the effect carried out elsewhere. Nothing in it
// blocks, so one vassal's trouble never delays another.
package emperor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/wire"
)

// Options configures an Emperor.
type Options struct {
	// Monitors say which vassals should exist. At least one.
	Monitors []monitor.Monitor
	// Launcher makes processes of configurations. Required.
	Launcher Launcher
	// Check tells whether a configuration can be run at all; one that cannot is
	// logged and changes nothing. It is called in a monitor's goroutine, never
	// in the loop. Nil: everything can be run.
	Check func(monitor.Config) error
	// Backoff is the pause before a failed vassal is launched again. Required.
	Backoff Backoff
	// Mercy is the time between asking a vassal to stop and killing it.
	Mercy time.Duration
	// Concurrency is how many launches run at a time. A launch that takes longer
	// than a second, because its hooks do, no longer counts. Required.
	Concurrency int
	// Hurry makes a running shutdown kill at once, each time it delivers. Nil:
	// never.
	Hurry <-chan struct{}
	// Log gets one line per transition. Required.
	Log *slog.Logger
}

// Launcher makes a process of a configuration. Its methods are called from many
// goroutines at a time.
type Launcher interface {
	// Launch blocks until the process has everything it needs to boot, or until
	// there is nothing left of the attempt. When ctx ends it gives up.
	Launch(ctx context.Context, r Request) (Process, error)
}

// Request is what a launch is about.
type Request struct {
	// Config is the configuration to run.
	Config monitor.Config
	// Generation counts the launches of this vassal, from 1.
	Generation uint64
	// Log carries the vassal's name already.
	Log *slog.Logger
}

// Process is one generation of a vassal. Wait and then Clear are called once
// each, from goroutines of their own; PID, Stop and Kill from the loop, at any
// time until Clear is called, and must not block.
type Process interface {
	// PID is the process id in the emperor's namespace.
	PID() int
	// Wait calls report for what the vassal says and returns when the process is
	// dead and reaped.
	Wait(report func(wire.Report)) Exit
	// Stop asks the process to end.
	Stop()
	// Kill ends it, and in time all that it started.
	Kill()
	// Clear removes what the generation left behind and returns when that is
	// confirmed.
	Clear() error
}

// Exit says how a process ended, for logs: `exit status 1`, `signal: killed`.
type Exit string

// Emperor supervises vassals. Make it with New and call Run once.
type Emperor struct {
	options Options
	events  chan event
	done    chan struct{} // closed when the loop no longer takes events
	group   sync.WaitGroup

	// Owned by the loop.
	vassals   map[string]*vassal
	queue     []*vassal
	launching int
	stopping  bool
	err       error
}

// slowLaunch is when a launch stops counting against the concurrency: by then it
// is waiting for something, not working.
const slowLaunch = time.Second

// New returns an Emperor that does nothing yet.
func New(o Options) *Emperor {
	return &Emperor{options: o, events: make(chan event), done: make(chan struct{}), vassals: map[string]*vassal{}}
}

// Run supervises until ctx ends, then stops every vassal and returns nil when
// nothing of them is left. It returns an error, after the same cleaning up, when
// a monitor cannot take its first look.
func (e *Emperor) Run(ctx context.Context) error {
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	for i, m := range e.options.Monitors {
		e.group.Go(func() { e.watch(watching, i, m) })
	}
	shutdown, hurry := ctx.Done(), e.options.Hurry
	for !e.stopping || len(e.vassals) > 0 {
		select {
		case ev := <-e.events:
			ev.apply(e)
		case <-shutdown:
			shutdown = nil
			e.stopAll()
		case <-hurry:
			e.hurry()
		}
		e.admit()
	}
	stopWatching()
	close(e.done)
	e.group.Wait()
	return e.err
}

// stopAll makes shutdown a wish: every vassal is dropped, and the loop goes on
// until none is left.
func (e *Emperor) stopAll() {
	if e.stopping {
		return
	}
	e.stopping = true
	e.options.Log.Info("stopping", "vassals", len(e.vassals))
	for _, v := range e.vassals {
		v.withdrawn = true
		e.input(v, Drop)
	}
}

func (e *Emperor) hurry() {
	if !e.stopping {
		return
	}
	e.options.Log.Warn("asked twice to stop: killing what is left", "vassals", len(e.vassals))
	for _, v := range e.vassals {
		e.input(v, Hurry)
	}
}

// admit lets vassals launch while there are places.
func (e *Emperor) admit() {
	for len(e.queue) > 0 && e.launching < e.options.Concurrency {
		v := e.queue[0]
		e.queue = e.queue[1:]
		e.launching++
		v.slot = true
		e.input(v, Slot)
	}
}

// watch runs one monitor and checks what it finds, off the loop.
func (e *Emperor) watch(ctx context.Context, source int, m monitor.Monitor) {
	var known map[string]verdict
	err := m.Run(ctx, func(set monitor.Set) {
		set, known = e.check(set, known)
		e.post(found{source, set})
	})
	if err != nil {
		e.post(blind{err})
	}
}

// verdict is the outcome of a check, kept so that it is made once a version.
type verdict struct {
	version monitor.Version
	err     error
}

func (e *Emperor) check(set monitor.Set, known map[string]verdict) (monitor.Set, map[string]verdict) {
	if e.options.Check == nil {
		return set, nil
	}
	checked, verdicts := make(monitor.Set, len(set)), make(map[string]verdict, len(set))
	for i, c := range set {
		if c.Err == nil {
			v, ok := known[c.Name]
			if !ok || v.version != c.Version {
				v = verdict{c.Version, e.options.Check(c)}
			}
			verdicts[c.Name], c.Err = v, v.err
		}
		checked[i] = c
	}
	return checked, verdicts
}

// post hands an event to the loop. After the loop has ended it is lost.
func (e *Emperor) post(ev event) {
	select {
	case e.events <- ev:
	case <-e.done:
	}
}

// reconcile compares what a monitor found with what there is.
func (e *Emperor) reconcile(source int, set monitor.Set) {
	if e.stopping {
		return
	}
	present := make(map[string]bool, len(set))
	for _, c := range set {
		v := e.vassals[c.Name]
		switch {
		case v == nil:
			v = e.add(c.Name, source)
		case v.source != source:
			v.note(fmt.Errorf("there is another %q in %s; this one is ignored", c.Name, e.options.Monitors[v.source]))
			continue
		}
		present[c.Name] = true
		e.offer(v, c)
	}
	for name, v := range e.vassals {
		if v.source == source && !present[name] {
			v.withdrawn = true
			e.input(v, Drop)
		}
	}
}

// offer gives a vassal the configuration that a monitor found for it.
func (e *Emperor) offer(v *vassal, c monitor.Config) {
	v.note(c.Err)
	if c.Err != nil {
		return
	}
	if v.wanted != nil && !v.withdrawn && v.wanted.Version == c.Version && v.wanted.UID == c.UID && v.wanted.GID == c.GID {
		return
	}
	v.wanted, v.withdrawn, v.failures = &c, false, 0
	e.input(v, Want)
}

func (e *Emperor) add(name string, source int) *vassal {
	v := &vassal{name: name, source: source, state: Idle, since: time.Now(), log: e.options.Log.With("vassal", name)}
	e.vassals[name] = v
	return v
}

// errGaveUp is the cause of a cancelled launch.
var errGaveUp = errors.New("the launch was called off")
