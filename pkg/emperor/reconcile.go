package emperor

import (
	"context"
	"maps"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// monitorEndWait is how long the end of a monitor is waited for. One that hangs in the kernel does
// not end.
const monitorEndWait = time.Second

// runMonitor runs one monitor and reviews its results, outside the loop, until ctx ends.
func (e *Emperor) runMonitor(ctx context.Context, m monitor.Monitor, r *review) {
	sets, ended := make(chan monitor.Set), make(chan error, 1)
	go func() {
		ended <- m.Run(ctx, func(set monitor.Set) {
			select {
			case sets <- set:
			case <-ctx.Done():
			}
		})
	}()
	defer r.stop()
	for {
		select {
		case set := <-sets:
			r.start(ctx, set)
		case f := <-r.over:
			r.record(ctx, f)
		case <-r.slow.C:
			r.impatient = true
		case <-r.retry.C:
			r.start(ctx, r.set)
		case err := <-ended:
			e.monitorEnded(err)
			return
		case <-ctx.Done():
			select {
			case err := <-ended:
				e.monitorEnded(err)
			case <-time.After(monitorEndWait):
				r.log.Warn("a monitor does not end: it is left behind", "monitor", m.String())
			}
			return
		}
		r.report()
	}
}

// monitorEnded reports to the loop that a monitor could not begin.
func (e *Emperor) monitorEnded(err error) {
	if err != nil {
		e.post(monitorFailed{err})
	}
}

// reconcile compares the result of a monitor with the existing vassals.
func (e *Emperor) reconcile(source int, plans []Plan) {
	if e.stopping {
		return
	}
	present, ignored := make(map[string]bool, len(plans)), map[string]bool{}
	e.forgetMoved(source, plans)
	for _, p := range plans {
		v := e.vassals[p.Name]
		if first := e.entries[p.Entry]; first != nil && first != v {
			e.ignoreDuplicate(first, source, p)
			ignored[p.Path] = true
			continue
		}
		switch {
		case v == nil:
			v = e.add(p.Name, source)
		case v.source != source:
			e.ignoreDuplicate(v, source, p)
			ignored[p.Path] = true
			continue
		}
		present[p.Name] = true
		e.setEntry(v, p.Entry)
		e.setConfig(v, p)
	}
	for name, v := range e.vassals {
		if v.source == source && !present[name] && v.parent == nil {
			e.withdraw(v)
		}
		maps.DeleteFunc(v.duplicates, func(path string, from int) bool { return from == source && !ignored[path] })
	}
}

// withdraw removes a vassal.
func (e *Emperor) withdraw(v *vassal) {
	v.withdrawn = true
	e.input(v, Drop)
}

// setConfig gives a vassal the configuration that a monitor found for it. An invalid one is
// ignored, unless nothing runs and the vassal can fall back.
func (e *Emperor) setConfig(v *vassal, p Plan) {
	if p.Err == nil && v.activation != nil {
		p.Err = Conflict(v.activation, p)
	}
	e.setFault(v, p.Err)
	if p.Err != nil && (!p.Fallback || v.wanted != nil && v.state.alive()) {
		return
	}
	if v.wanted != nil && !v.withdrawn && v.wanted.same(p) {
		return
	}
	v.returned = v.returned || v.withdrawn
	v.wanted, v.withdrawn = &p, false
	v.retry()
	e.applyWanted(v)
}

func (e *Emperor) add(name string, source int) *vassal {
	v := &vassal{name: name, source: source, state: Idle, since: time.Now(), log: e.options.Log.With("vassal", name)}
	if v.held = e.options.Suspend != nil && e.options.Suspend(name); v.held {
		v.log.Info("suspended until it is started")
	}
	e.vassals[name] = v
	e.recallGone(v)
	return v
}

// same reports whether no change between the two should take effect.
func (p Plan) same(o Plan) bool { return p.Version == o.Version && p.UID == o.UID && p.GID == o.GID }
