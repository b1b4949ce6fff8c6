package emperor

import (
	"math/rand/v2"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

func countFailure(_ *Options, v *vassal) { v.countFailure() }

// recordMiss counts a launch that failed.
func recordMiss(_ *Options, v *vassal) {
	v.countFailure()
	v.log.Error("cannot launch", "error", v.cause)
}

// recordLaunch begins the record of a generation.
func recordLaunch(o *Options, v *vassal) {
	if v.outdated() {
		v.countChange(o.ChangePause)
	}
	v.cancelPaused()
	v.churn.excused = false
	v.generation++
	v.launches++
	v.config, v.serial, v.reloads, v.failed = v.target(), 1, 0, false
	if v.rest == restLeft {
		v.wake()
	}
	v.renews, v.answer, v.adjusting = false, reloadAnswer{}, false
	v.history = v.next()
}

// recordOrder begins the record of a reload.
func recordOrder(_ *Options, v *vassal) {
	v.serial++
	v.ordered, v.reloadError, v.ownReload, v.undone, v.gap = v.wanted, "", false, false, 0
	v.answer = reloadAnswer{}
	v.churn.excused = false
}

func recordTaken(_ *Options, v *vassal) {
	v.refused = monitor.Version{}
	v.config, v.reloads, v.reloaded = v.ordered, v.reloads+1, time.Now()
}

// recordTakenLate records a reload that has taken effect although its answer came too late: an
// old worker may take its whole mercy, and a new one its time to be ready.
func recordTakenLate(o *Options, v *vassal) {
	v.reloadError, v.answer = "", reloadAnswer{}
	recordTaken(o, v)
	v.note(AboutReload, "it has reloaded after all")
}

func recordRefusal(_ *Options, v *vassal) {
	v.refused = v.ordered.Version
	v.reloadError, v.undone = v.answer.text, v.answer.undone
}

func recordNoAnswer(_ *Options, v *vassal) {
	v.refused = v.ordered.Version
	v.reloadError, v.answer.missing = errNoAnswer.Error(), true
}

// recordUnable notes why a reload needs a new process.
func recordUnable(_ *Options, v *vassal) {
	if err := v.answer.notSent; err != nil {
		v.log.Info("cannot be asked to reload: a new process is needed", "cause", err)
		v.note(AboutReload, "it cannot be asked, a new process is needed: %v", err)
		return
	}
	v.log.Info("cannot take it over: a new process is needed", "cause", v.answer.text)
	v.noteFrom(AboutReload, "it cannot take it over, a new process is needed: %s", v.answer.text)
}

// recordBegin lets the operator's command end a rest or a pause.
func recordBegin(_ *Options, v *vassal) {
	v.retry()
	v.failed, v.pauseUntil = false, time.Time{}
}

// recordLeaving notes that the vassal stops by itself. On demand it comes back with the next
// connection, otherwise when its configuration changes or the operator starts it.
func recordLeaving(_ *Options, v *vassal) {
	v.rest = restLeft
	v.log.Info("wants to stop")
	v.noteFrom(AboutLife, "wants to stop")
}

// recordDeath counts a death as a failure, unless the vassal had announced that it exits to be
// launched again.
func recordDeath(o *Options, v *vassal) {
	v.recordExit(false)
	if v.ending(o).failure() == "" {
		v.renewed = time.Now()
	} else {
		v.countFailure()
	}
}

// recordRest remembers that the vassal failed too often: later changes of the limit do not end
// the rest.
func recordRest(o *Options, v *vassal) {
	if s := v.situation(o); s.resting() == string(restFailures) {
		v.rest = restFailures
	}
}

func recordPause(o *Options, v *vassal) {
	v.pause = o.Backoff.wait(v.failures, rand.Float64())
	v.pauseUntil = time.Now().Add(v.pause)
}

// recordBridge notes how long a change has left the vassal without a process.
func recordBridge(_ *Options, v *vassal) {
	if !v.gapFrom.IsZero() {
		v.gap = time.Since(v.gapFrom)
	}
	v.gapFrom = time.Time{}
}

// recordHostEnds notes that the vassal ends with the network that it has.
func recordHostEnds(_ *Options, v *vassal) {
	v.log.Info("its network ends: it is stopped, and follows the next one", "of", v.config.Network.Mode.Of)
}
