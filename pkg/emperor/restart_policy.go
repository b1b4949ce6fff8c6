package emperor

import (
	"time"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// settle decides the next state after a generation, or instead of one.
func (e *Emperor) settle(v *vassal) {
	next := e.verdict(v)
	if !follows(next) {
		e.closeKept(v)
	}
	e.input(v, next)
}

// verdict compares the desired state with the last generation. The desired state comes first,
// then the restart policy.
func (e *Emperor) verdict(v *vassal) Input {
	limit := e.options.Backoff.Limit
	again := v.failed && v.wanted != nil && v.target().same(v.config) // and nothing changed since
	v.spent = v.spent || again && limit > 0 && v.failures > limit
	switch {
	case v.withdrawn, v.parent != nil && v.generation > 0:
		return Forget
	case v.idleness() != "":
		return Rest
	case again && v.onTrial():
		return Revert
	case v.outdated() && v.churn.tooSoon(time.Now()):
		return Hold
	case again:
		return Wait
	case e.options.Activator != nil:
		return Sleep
	}
	return Again
}

// idleness returns the reason why the vassal is not launched, or an empty string when it may
// be.
func (v *vassal) idleness() string {
	switch {
	case v.wanted == nil:
		return "there is no usable configuration"
	case v.held:
		return "stopped by the operator"
	case v.exiled:
		return "it asked to be left alone until its file changes"
	case v.left && v.activation == nil:
		return "it stopped by itself"
	case v.spent:
		return "it failed too often"
	}
	return ""
}

// forgive forgets the reasons against launching the vassal now.
func (v *vassal) forgive() {
	v.wake()
	v.failures, v.failed = 0, false
	v.zergs = zergFailures{}
}

// wake forgets why it rests.
func (v *vassal) wake() { v.exiled, v.left, v.spent = false, false, false }

// announcedExit reports whether a generation that ended unasked did so on purpose, as it had
// announced, and not again right after the last time.
func (v *vassal) announcedExit(pause time.Duration) bool {
	return v.renews && v.exit.ExitStatus == namespaces.ExitStatus{} && v.exit.Err == nil && v.exit.OOMKills == 0 && (v.renewed.IsZero() || time.Since(v.renewed) >= pause)
}

// countFailure counts a generation that ended unasked.
func (v *vassal) countFailure() {
	v.failed = true
	v.failures++
}

// backoff begins or ends the pause after a failure.
func (e *Emperor) backoff(v *vassal, what Effect) {
	if what == doResume {
		e.settle(v)
		return
	}
	wait := v.pause.Round(time.Millisecond)
	e.note(v, AboutBackoff, "next launch in %v, failures in a row: %d", wait, v.failures)
	e.arm(v, v.pause)
}
