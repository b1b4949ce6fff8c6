package emperor

import (
	"time"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// situation returns the input of the decision about the next generation.
func (v *vassal) situation(o *Options) situation {
	limit := o.Backoff.Limit
	return situation{
		withdrawn: v.withdrawn, zergEnded: v.parent != nil && v.generation > 0, usable: v.wanted != nil, held: v.held, rest: v.rest,
		onDemand: v.activation != nil, failed: v.failed && v.wanted != nil && v.target().same(v.config),
		tooOften: limit > 0 && v.failures > limit, trial: v.onTrial(), throttled: v.outdated() && v.churn.tooSoon(time.Now()),
		demand: o.Activator != nil, apart: v.apart,
	}
}

// settle decides the next state after a generation, or instead of one.
func (e *Emperor) settle(v *vassal) {
	v.apart = e.vassals.apart(v)
	next := v.situation(&e.options).decide()
	if !next.launches() {
		v.closeKept()
	}
	e.input(v, next.input)
}

// launches reports whether the vassal is launched at once, or with its first connection.
func (d decision) launches() bool { return d.input == Again || d.input == Revert || d.input == Sleep }

// forgive forgets the reasons against launching the vassal now.
func (v *vassal) forgive() {
	v.wake()
	v.failures, v.failed = 0, false
	v.zergs = zergFailures{}
}

// wake forgets the reason why it rests.
func (o *outcome) wake() { o.rest = "" }

// announcedExit reports whether a generation that ended unasked did so on purpose, as it had
// announced, and not again right after the last time.
func (v *vassal) announcedExit(pause time.Duration) bool {
	return v.renews && v.exit.ExitStatus == namespaces.ExitStatus{} && v.exit.Err == nil && v.exit.OOMKills == 0 && (v.renewed.IsZero() || time.Since(v.renewed) >= pause)
}

// countFailure counts a generation that ended unasked.
func (o *outcome) countFailure() {
	o.failed = true
	o.failures++
}
