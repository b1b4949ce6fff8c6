package emperor

import (
	"maps"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// reconcile compares the result of a monitor with the existing vassals.
func (e *Emperor) reconcile(source int, plans []*Plan) {
	if e.stopping {
		return
	}
	present, ignored := make(map[string]bool, len(plans)), map[string]bool{}
	e.vassals.forgetMoved(source, plans)
	for _, p := range plans {
		v := e.vassals.named[p.Name]
		if first := e.vassals.placed[p.Entry]; first != nil && first != v {
			first.ignoreDuplicate(&e.options, source, p)
			ignored[p.Path] = true
			continue
		}
		switch {
		case v == nil:
			v = e.add(p, source)
		case v.file.source == source && !v.file.owner.may(p):
			succeed(e, v, p)
			present[p.Name] = true // the record of the new owner may be there by now
			continue
		case v.file.source != source:
			v.ignoreDuplicate(&e.options, source, p)
			ignored[p.Path] = true
			continue
		}
		present[p.Name] = true
		e.vassals.place(v, p.Entry)
		e.setConfig(v, p)
	}
	for name, v := range e.vassals.named {
		if v.file.source == source && !present[name] && v.parent == nil {
			e.withdraw(v)
		}
		maps.DeleteFunc(v.file.duplicates, func(path string, from int) bool { return from == source && !ignored[path] })
	}
}

// withdraw removes a vassal.
func (e *Emperor) withdraw(v *vassal) {
	v.wish.withdrawn = true
	e.input(v, Drop)
}

// setConfig gives a vassal the configuration that a monitor found for it.
func (e *Emperor) setConfig(v *vassal, p *Plan) {
	if err := e.vassals.admit(v, p, e.options.OwnerMax); err != nil {
		refused := *p
		refused.Err, refused.Fallback = err, false
		p = &refused
	}
	if p.Err == nil && v.demand.activation != nil {
		if err := Conflict(v.demand.activation, *p); err != nil {
			refused := *p
			refused.Err = err
			p = &refused
		}
	}
	v.setFault(p.Err)
	found := finding{
		unusable: p.Err != nil, fallback: p.Fallback, wanted: v.wish.wanted != nil, same: v.wish.wanted != nil && v.wish.wanted.same(p),
		alive: v.living() != nil, withdrawn: v.wish.desired() == Withdrawn,
	}
	if found.ignored() != "" {
		return
	}
	v.wish.returned = v.wish.returned || v.wish.desired() == Withdrawn
	v.wish.wanted, v.wish.withdrawn = p, false
	v.outcome.retry()
	e.applyWanted(v)
}

func (e *Emperor) add(p *Plan, source int) *vassal {
	v := newVassal(e, p.Name, source)
	v.file.owner = ownerOf(p)
	v.wish.held = e.options.Suspend != nil && e.options.Suspend(p.Name)
	if v.wish.desired() == Held {
		v.log.Info("suspended until it is started")
	}
	e.vassals.add(v)
	return v
}

// newVassal returns the record of a vassal that does nothing yet.
func newVassal(e *Emperor, name string, source int) *vassal {
	return &vassal{
		mailbox: e.mailbox, feed: &e.feed, log: e.options.Log.With("vassal", name), name: name, file: origin{source: source}, state: Idle, since: time.Now(),
		run: run{config: noPlan, ordered: noPlan},
	}
}

// is reports whether no change between p's configuration and c should take effect.
func (p *Plan) is(c monitor.Config) bool {
	return p.Version == c.Version && p.UID == c.UID && p.GID == c.GID
}

// same reports whether no change between the two should take effect.
func (p *Plan) same(o *Plan) bool { return p.is(o.Config) }
