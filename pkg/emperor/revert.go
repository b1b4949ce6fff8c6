package emperor

import (
	"fmt"
	"reflect"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// proof is how long a process must live after it accepts for its configuration to count as
// ready, unless it is asked to stop. A master that starts on trial accepts after that time.
const proof = time.Second

// recordExit records the end of a process: whether its configuration has been ready, and that
// the error of its last reload concerned it alone. stopped: it was asked to stop.
func (v *vassal) recordExit(stopped bool) {
	lasted := time.Since(v.history.at.accepting) >= proof || stopped
	if v.parent == nil && !v.history.at.accepting.IsZero() && lasted {
		v.outcome.proven = v.run.config
	}
	if !v.reverted() {
		v.history.reload.err = ""
	}
}

// onTrial reports whether the configuration of the last launch replaces another one that has been ready.
func (v *vassal) onTrial() bool {
	return v.outcome.proven != nil && (!v.outcome.proven.same(v.run.config) || !reflect.DeepEqual(v.outcome.proven.Templates, v.run.config.Templates))
}

// reverted reports whether the configuration before the wanted one counts, because the wanted
// one was tried in vain.
func (v *vassal) reverted() bool {
	return v.outcome.proven != nil && v.wish.wanted != nil && v.wish.wanted.Version == v.outcome.refused
}

// target returns the configuration of the next process.
func (v *vassal) target() *Plan {
	if v.reverted() {
		return v.outcome.proven
	}
	return v.wish.wanted
}

// retry makes the wanted configuration count again after it was tried in vain.
func (o *outcome) retry() { o.refused = monitor.Version{} }

// refuseEdit records that the configuration of the last launch did not become ready.
func (v *vassal) refuseEdit() {
	var why string
	switch {
	case v.history.cause != nil:
		why = v.history.cause.Error()
	case v.history.exit != nil:
		why = v.history.exit.why()
	}
	v.outcome.refused, v.outcome.failures = v.run.config.Version, 0
	v.history.reload.err, v.history.reload.undone = fmt.Sprintf("the edit at %s did not become ready: %s; the configuration before it runs",
		time.Unix(0, v.run.config.Version.Touched).Format(time.TimeOnly), why), true
}

// revert launches the configuration before an edit that did not become ready.
func (e *Emperor) revert(v *vassal) {
	v.log.Error("cannot take the edit over; starting the configuration before it again", "error", v.history.reload.err)
	v.note(AboutReload, "%s", v.history.reload.err)
	e.line.add(v)
}

// refresh gives a running vassal the wanted configuration again, also when it was tried in vain before.
func (e *Emperor) refresh(v *vassal) {
	v.outcome.retry()
	switch {
	case !reflect.DeepEqual(v.wish.wanted.Templates, v.run.config.Templates):
		e.replaceProcess(v)
	case v.wish.wanted.Version.Hash == v.run.config.Version.Hash:
		e.input(v, Refresh)
	default:
		v.history.reload.err = ""
		e.applyWanted(v)
	}
}
