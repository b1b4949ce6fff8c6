package emperor

import (
	"context"
	"reflect"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// adjustTime limits a change of limits and the network. Networks have a shorter limit of their own.
const adjustTime = time.Minute

// adjustment is a change of the limits and the network of a running vassal, made outside the loop.
type adjustment struct {
	plan  *Plan  // the configuration with them
	about string // their subject for messages
	more  bool   // the process takes the other options over afterwards
	err   error  // nil: they are in effect
}

// have is the verb after its subject.
func (a *adjustment) have() string {
	if a.about == itsNetwork {
		return " has "
	}
	return " have "
}

// adjusted: limits or the network of a running vassal were changed, or could not be.
type adjusted struct {
	generationOf
	adjustment
	input Input
}

func (x adjusted) apply(e *Emperor) {
	if !x.stale() {
		x.v.run.adjusting, x.v.run.adjustment = false, x.adjustment
		e.input(x.v, x.input)
	}
}

// begin makes the change for a vassal. Its end is the input in. It reports whether the emperor can change that
// vassal.
func (a adjustment) begin(v *vassal, in Input) bool {
	p, ok := v.run.process.(attached)
	if !ok {
		return false
	}
	end := adjusted{generationOf{v, v.run.generation}, a, in}
	v.run.adjusting = true
	v.group.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), adjustTime)
		defer cancel()
		end.err = p.Adjust(ctx, *end.plan)
		v.post(end)
	})
	return true
}

// adjust changes the limits and the network of a running vassal to the ones of its wanted configuration. With
// more, the process takes over the other options afterwards.
func (e *Emperor) adjust(v *vassal, about string, more bool) {
	if !(adjustment{plan: v.wish.wanted, about: about, more: more}).begin(v, Adjusted) {
		e.replaceProcess(v)
	}
}

// adjusted continues after such a change.
func (e *Emperor) adjusted(v *vassal) {
	x := v.run.adjustment
	way := aftermath{failed: x.err != nil, more: x.more, newer: v.wish.wanted.Version != x.plan.Version, reloads: !v.takes(Refresh)}.decide()
	v.log.Debug("a change of its limits or its network has ended", "continues", string(way), "error", x.err)
	switch way {
	case continueNext:
		e.applyWanted(v)
	case continueFrom:
		v.run.config = x.plan
		e.applyWanted(v)
	case continueAnew:
		e.replaceProcess(v)
	case continueRefused:
		v.outcome.refused, v.history.reload.err = x.plan.Version, x.err.Error()
		v.log.Error("cannot change "+x.about+"; the vassal continues as before", "error", x.err)
		v.note(AboutReload, "cannot change %s: %v", x.about, x.err)
	case continueReload:
		e.input(v, Refresh)
	case continueDone:
		v.outcome.refused, v.history.reload.err, v.history.at.reloaded = monitor.Version{}, "", time.Now()
		v.run.config = x.plan
		v.log.Info(x.about+x.have()+"changed", "config", v.run.config.Version.Short())
		v.setFault(nil)
		e.applyWanted(v)
	}
}

// sameLive reports whether two configurations have the same limits and the same network.
func (p *Plan) sameLive(q *Plan) bool {
	return reflect.DeepEqual(p.Network, q.Network) && reflect.DeepEqual(p.Cgroup.Limits, q.Cgroup.Limits)
}

// realign gives a running vassal the limits and the network of the configuration in effect again: the emperor
// changes them before the process takes the rest of an edit over, which may fail.
func (v *vassal) realign() {
	if !v.run.adjusting { // otherwise the end of the change compares again
		adjustment{plan: v.run.config}.begin(v, Realigned)
	}
}

// realigned continues after that.
func (e *Emperor) realigned(v *vassal) {
	x := v.run.adjustment
	if !x.plan.sameLive(v.run.config) { // the process has taken it over after all
		v.realign()
		return
	}
	if x.err != nil {
		v.log.Error("cannot take the change of its limits or its network back", "error", x.err)
		v.note(AboutReload, "cannot take the change of its limits or its network back: %v", x.err)
	}
	e.applyWanted(v)
}
