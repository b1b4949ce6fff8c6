package emperor

import (
	"context"
	"reflect"
)

// sameLive reports whether two configurations have the same limits and the same network.
func (p *Plan) sameLive(q *Plan) bool {
	return reflect.DeepEqual(p.Network, q.Network) && reflect.DeepEqual(p.Cgroup.Limits, q.Cgroup.Limits)
}

// realign gives a running vassal the limits and the network of the configuration in effect again, outside the
// loop: the emperor changes them before the process takes the rest of an edit over, which may fail.
func realign(e *Emperor, v *vassal) {
	p, ok := v.process.(attached)
	if !ok || v.adjusting { // the end of the change compares again
		return
	}
	a, plan := generationOf{v, v.generation}, v.config
	v.adjusting = true
	e.group.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), adjustTime)
		defer cancel()
		e.post(realigned{a, plan, p.Adjust(ctx, *plan)})
	})
}

// realigned: limits and the network are the ones of a configuration again, or could not be changed.
type realigned struct {
	generationOf
	plan *Plan
	err  error
}

func (x realigned) apply(e *Emperor) {
	v := x.v
	if x.stale() {
		return
	}
	v.adjusting = false
	switch {
	case !v.state.serving() || v.desired() == Withdrawn:
		return
	case !x.plan.sameLive(v.config): // the process has taken it over after all
		realign(e, v)
		return
	case x.err != nil:
		v.log.Error("cannot take the change of its limits or its network back", "error", x.err)
		v.note(AboutReload, "cannot take the change of its limits or its network back: %v", x.err)
	}
	e.applyWanted(v)
}
