package emperor

import (
	"math/rand/v2"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

func countFailure(_ *Options, v *vassal) { v.outcome.countFailure() }

// recordMiss counts a launch that failed.
func recordMiss(_ *Options, v *vassal) {
	v.outcome.countFailure()
	v.log.Error("cannot launch", "error", v.history.cause)
}

// recordLaunch begins the record of a generation.
func recordLaunch(o *Options, v *vassal) {
	if v.outdated() {
		v.countChange(o.ChangePause)
	}
	v.outcome.cancelPaused()
	v.outcome.churn.excused = false
	v.run.generation++
	v.history.launches++
	v.run.config, v.run.serial, v.run.reloads, v.outcome.failed = v.target(), 1, 0, false
	if v.outcome.rest == restLeft {
		v.outcome.wake()
	}
	v.outcome.renews, v.run.answer, v.run.adjusting = false, reloadAnswer{}, false
	failed := ""
	if v.reverted() {
		failed = v.history.reload.err
	}
	v.history = v.history.next(failed)
}

// recordOrder begins the record of a reload.
func recordOrder(_ *Options, v *vassal) {
	v.run.serial++
	v.run.ordered, v.history.reload = v.wish.wanted, lastReload{waited: v.history.reload.waited}
	v.run.answer = reloadAnswer{}
	v.outcome.churn.excused = false
}

func recordTaken(_ *Options, v *vassal) {
	v.outcome.refused = monitor.Version{}
	v.run.config, v.run.reloads, v.history.at.reloaded = v.run.ordered, v.run.reloads+1, time.Now()
}

// recordTakenLate records a reload that has taken effect although its answer came too late: an
// old worker may take its whole mercy, and a new one its time to be ready.
func recordTakenLate(o *Options, v *vassal) {
	v.history.reload.err, v.run.answer = "", reloadAnswer{}
	recordTaken(o, v)
	v.note(AboutReload, "it has reloaded after all")
}

func recordRefusal(_ *Options, v *vassal) {
	v.outcome.refused = v.run.ordered.Version
	v.history.reload.err, v.history.reload.undone = v.run.answer.text, v.run.answer.undone
}

func recordNoAnswer(_ *Options, v *vassal) {
	v.outcome.refused = v.run.ordered.Version
	v.history.reload.err, v.run.answer.missing = errNoAnswer.Error(), true
}

// recordUnable notes why a reload needs a new process.
func recordUnable(_ *Options, v *vassal) {
	if err := v.run.answer.notSent; err != nil {
		v.log.Info("cannot be asked to reload: a new process is needed", "cause", err)
		v.note(AboutReload, "it cannot be asked, a new process is needed: %v", err)
		return
	}
	v.log.Info("cannot take it over: a new process is needed", "cause", v.run.answer.text)
	v.noteFrom(AboutReload, "it cannot take it over, a new process is needed: %s", v.run.answer.text)
}

// recordBegin lets the operator's command end a rest or a pause.
func recordBegin(_ *Options, v *vassal) {
	v.outcome.retry()
	v.outcome.failed, v.history.pauseUntil = false, time.Time{}
}

// recordLeaving notes that the vassal stops by itself. On demand it comes back with the next
// connection, otherwise when its configuration changes or the operator starts it.
func recordLeaving(_ *Options, v *vassal) {
	v.outcome.rest = restLeft
	v.log.Info("wants to stop")
	v.noteFrom(AboutLife, "wants to stop")
}

// recordDeath counts a death as a failure, unless the vassal had announced that it exits to be
// launched again.
func recordDeath(o *Options, v *vassal) {
	v.recordExit(false)
	if v.ending(o).failure() == "" {
		v.outcome.renewed = time.Now()
	} else {
		v.outcome.countFailure()
	}
}

// recordRest remembers that the vassal failed too often: later changes of the limit do not end
// the rest.
func recordRest(o *Options, v *vassal) {
	if s := v.situation(o); s.resting() == string(restFailures) {
		v.outcome.rest = restFailures
	}
}

func recordPause(o *Options, v *vassal) {
	v.history.pause = o.Backoff.wait(v.outcome.failures, rand.Float64())
	v.history.pauseUntil = time.Now().Add(v.history.pause)
}

// recordBridge notes how long a change has left the vassal without a process.
func recordBridge(_ *Options, v *vassal) {
	if !v.outcome.gapFrom.IsZero() {
		v.history.reload.gap = time.Since(v.outcome.gapFrom)
	}
	v.outcome.gapFrom = time.Time{}
}

// recordHostEnds notes that the vassal ends with the network that it has.
func recordHostEnds(_ *Options, v *vassal) {
	v.log.Info("its network ends: it is stopped, and follows the next one", "of", v.run.config.Network.Mode.Of)
}
