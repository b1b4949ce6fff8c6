package emperor

import (
	"context"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// watch runs one monitor and checks what it finds, off the loop.
func (e *Emperor) watch(ctx context.Context, source int, m monitor.Monitor) {
	known := map[string]finding{}
	err := m.Run(ctx, func(set monitor.Set) {
		var plans []Plan
		plans, known = e.check(set, known)
		e.post(found{source, plans})
	})
	if err != nil {
		e.post(blind{err})
	}
}

// finding is the outcome of a check, kept so that it is made once a version.
type finding struct {
	version monitor.Version
	round   uint64
	facts   Facts
	err     error
}

func (e *Emperor) check(set monitor.Set, known map[string]finding) ([]Plan, map[string]finding) {
	round := e.checks.Load()
	plans, findings := make([]Plan, len(set)), make(map[string]finding, len(set))
	for i, c := range set {
		plans[i].Config = c
		if c.Err != nil || e.options.Check == nil {
			continue
		}
		f, ok := known[c.Name]
		if !ok || f.version != c.Version || f.round != round {
			f.version, f.round = c.Version, round
			f.facts, f.err = e.options.Check(c)
		}
		findings[c.Name] = f
		plans[i].Facts, plans[i].Err = f.facts, f.err
	}
	return plans, findings
}

// reconcile compares what a monitor found with what there is.
func (e *Emperor) reconcile(source int, plans []Plan) {
	if e.stopping {
		return
	}
	present := make(map[string]bool, len(plans))
	for _, p := range plans {
		v := e.vassals[p.Name]
		switch {
		case v == nil:
			v = e.add(p.Name, source)
		case v.source != source:
			e.shadow(v, source, p.Path)
			present[p.Name] = true
			continue
		}
		present[p.Name] = true
		e.offer(v, p)
	}
	for name, v := range e.vassals {
		switch {
		case present[name] || v.parent != nil:
		case v.source == source:
			e.withdraw(v)
		default:
			delete(v.shadowed, source)
		}
	}
}

// withdraw says that a vassal shall not exist any more.
func (e *Emperor) withdraw(v *vassal) {
	v.withdrawn = true
	e.input(v, Drop)
}

// offer gives a vassal the configuration that a monitor found for it. One that
// cannot be used is none, unless nothing runs and the vassal can fall back.
func (e *Emperor) offer(v *vassal, p Plan) {
	if p.Err == nil && v.activation != nil {
		p.Err = free(v.activation, p)
	}
	e.note(v, p.Err)
	if p.Err != nil && (!p.Fallback || v.wanted != nil && v.state.alive()) {
		return
	}
	if v.wanted != nil && !v.withdrawn && v.wanted.same(p) {
		return
	}
	v.returned = v.returned || v.withdrawn
	v.wanted, v.withdrawn = &p, false
	e.pursue(v)
}

func (e *Emperor) add(name string, source int) *vassal {
	v := &vassal{name: name, source: source, state: Idle, since: time.Now(), log: e.options.Log.With("vassal", name)}
	if v.held = e.options.Suspend != nil && e.options.Suspend(name); v.held {
		v.log.Info("suspended until it is started")
	}
	e.vassals[name] = v
	e.recognise(v)
	return v
}

// same reports whether nothing happened between the two that should take effect.
func (p Plan) same(o Plan) bool { return p.Version == o.Version && p.UID == o.UID && p.GID == o.GID }
