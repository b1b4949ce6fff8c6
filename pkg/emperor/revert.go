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
	lasted := time.Since(v.accepting) >= proof || stopped
	if v.parent == nil && !v.accepting.IsZero() && lasted {
		v.proven = v.config
	}
	if !v.reverted() {
		v.reloadError = ""
	}
}

// onTrial reports whether the configuration of the last launch replaces another one that has been ready.
func (v *vassal) onTrial() bool {
	return v.proven != nil && (!v.proven.same(v.config) || !reflect.DeepEqual(v.proven.Templates, v.config.Templates))
}

// reverted reports whether the configuration before the wanted one counts, because the wanted
// one was tried in vain.
func (v *vassal) reverted() bool {
	return v.proven != nil && v.wanted != nil && v.wanted.Version == v.refused
}

// target returns the configuration of the next process.
func (v *vassal) target() *Plan {
	if v.reverted() {
		return v.proven
	}
	return v.wanted
}

// retry makes the wanted configuration count again after it was tried in vain.
func (o *outcome) retry() { o.refused = monitor.Version{} }

// refuseEdit records that the configuration of the last launch did not become ready.
func (v *vassal) refuseEdit() {
	var why string
	switch {
	case v.cause != nil:
		why = v.cause.Error()
	case v.exit != nil:
		why = v.exit.why()
	}
	v.refused, v.failures = v.config.Version, 0
	v.reloadError, v.undone = fmt.Sprintf("the edit at %s did not become ready: %s; the configuration before it runs",
		time.Unix(0, v.config.Version.Touched).Format(time.TimeOnly), why), true
}

// revert launches the configuration before an edit that did not become ready.
func (e *Emperor) revert(v *vassal) {
	v.log.Error("cannot take the edit over; starting the configuration before it again", "error", v.reloadError)
	v.note(AboutReload, "%s", v.reloadError)
	e.line.add(v)
}

// refresh gives a running vassal the wanted configuration again, also when it was tried in vain before.
func (e *Emperor) refresh(v *vassal) {
	v.retry()
	switch {
	case !reflect.DeepEqual(v.wanted.Templates, v.config.Templates):
		e.replaceProcess(v)
	case v.wanted.Version.Hash == v.config.Version.Hash:
		e.input(v, Refresh)
	default:
		v.reloadError = ""
		e.applyWanted(v)
	}
}
