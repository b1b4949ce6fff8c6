package emperor

import (
	"time"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// situation returns the input of the decision about the next generation.
func (v *vassal) situation(o *Options) situation {
	limit := o.Backoff.Limit
	return situation{
		desired: v.wish.desired(), zergEnded: v.parent != nil && v.run.generation > 0, usable: v.wish.wanted != nil, rest: v.outcome.rest,
		onDemand: v.demand.activation != nil, failed: v.outcome.failed && v.wish.wanted != nil && v.target().same(v.run.config),
		tooOften: limit > 0 && v.outcome.failures > limit, trial: v.onTrial(), throttled: v.outdated() && v.outcome.churn.tooSoon(time.Now()),
		demand: o.Activator != nil, edited: v.demand.edited, apart: v.wish.apart,
	}
}

// settle decides the next state after a generation, or instead of one.
func (e *Emperor) settle(v *vassal) {
	v.wish.apart = e.vassals.apart(v)
	next := v.situation(&e.options).decide()
	if !next.launches() {
		v.closeKept()
	}
	e.input(v, next.input)
}

// launches reports whether the vassal is launched at once, or with its first connection.
func (d decision) launches() bool {
	switch d.input {
	case Again, Revert, Sleep, SleepEdited:
		return true
	}
	return false
}

// forgive forgets the reasons against launching the vassal now.
func (v *vassal) forgive() {
	v.outcome.wake()
	v.outcome.failures, v.outcome.failed = 0, false
	v.zergs = zergFailures{}
}

// wake forgets the reason why it rests.
func (o *outcome) wake() { o.rest = "" }

// ending returns the input of the decision about a process that has ended unasked.
func (v *vassal) ending(o *Options) ending {
	return ending{
		announced: v.outcome.renews, clean: v.history.exit.ExitStatus == namespaces.ExitStatus{} && v.history.exit.Err == nil && v.history.exit.OOMKills == 0,
		soon: !v.outcome.renewed.IsZero() && time.Since(v.outcome.renewed) < o.Backoff.Reset,
	}
}

// desired returns the desired state: the file counts before the operator.
func (w *wish) desired() Desired {
	switch {
	case w.withdrawn:
		return Withdrawn
	case w.held:
		return Held
	}
	return Run
}

// countFailure counts a generation that ended unasked.
func (o *outcome) countFailure() {
	o.failed = true
	o.failures++
}

// effort returns the input of the decision about the result of work for a version of the configuration.
func (a generationOf) effort(version monitor.Version) effort {
	return effort{
		stale: a.stale(), desired: a.v.wish.desired(), state: a.v.state, takes: a.v.takes(Refresh), newer: a.v.wish.wanted.Version != version,
	}
}

// isVoid reports whether the result does not count, and logs the reason.
func (r effort) isVoid(v *vassal) bool {
	why := r.void()
	if why != "" {
		v.log.Debug("the result of a check, a comparison or a change does not count", "why", why)
	}
	return why != ""
}
