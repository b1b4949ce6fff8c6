package emperor

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// account notes what an effect changes in the record, before anybody is told of the
// transition.
func (e *Emperor) account(v *vassal, what Effect) {
	switch what {
	case doLaunch:
		if v.outdated() {
			e.countChange(v)
		}
		v.cancelPaused()
		v.churn.excused = false
		v.generation++
		v.launches++
		v.config, v.serial, v.reloads, v.failed, v.left = *v.target(), 1, 0, false, false
		v.renews = false
		v.history = v.next()
	case doFail:
		if v.announcedExit(e.options.Backoff.Reset) {
			v.renewed = time.Now()
		} else {
			v.countFailure()
		}
	case doStable:
		v.waitsFor = ""
	case doMiss, doCurse, doSilence:
		v.countFailure()
	case doUnbound:
		v.config = *v.target()
		v.countFailure()
	case doHasten:
		v.left = false
		v.countFailure()
	case doPause:
		v.pause = e.options.Backoff.wait(v.failures, rand.Float64())
		v.pauseUntil = time.Now().Add(v.pause)
	case doHold:
		v.churn.hasty, v.pauseUntil = true, v.churn.until()
	case doPostpone:
		v.churn.hasty = true
	case doWatch:
		v.cancelPaused()
		if v.changed {
			e.countChange(v)
		}
	case doResume:
		v.failed, v.pauseUntil = false, time.Time{}
	case doReload:
		v.serial++
		v.ordered, v.reloadError, v.ownReload, v.undone, v.gap = *v.wanted, "", false, false, 0
		v.churn.excused = false
	case doRevert:
		v.refuseEdit()
	case doTaken:
		v.refused = monitor.Version{}
		v.config, v.reloads, v.reloaded = v.ordered, v.reloads+1, time.Now()
	case doRefuse:
		v.refused = v.ordered.Version
		if v.reloadError == "" {
			v.reloadError = errNoAnswer.Error()
		}
	}
}

// do carries out an effect. It runs in the loop and must not block.
func (e *Emperor) do(v *vassal, what Effect) {
	switch what {
	case doNothing:
	case doEnqueue:
		e.queue = append(e.queue, v)
	case doRevert:
		e.revert(v)
	case doLeave:
		e.unqueue(v)
		e.settle(v)
	case doLaunch:
		e.launch(v)
	case doCancel:
		v.cancel(errCancelled)
		e.arm(v, unkillable)
	case doStable:
		e.stable(v)
	case doForgive:
		v.failures, v.proven = 0, nil
	case doStop, doSilence:
		if e.relaunches(v) {
			v.process.KeepSockets()
		}
		v.process.Stop(e.options.Graceful && e.stopping)
		e.arm(v, e.mercyFor(v))
	case doKill:
		v.log.Warn("did not end in time: killing it")
		v.process.Kill()
		e.arm(v, unkillable)
	case doTrace:
		e.findStuck(v)
	case doCurse:
		e.curse(v)
	case doFail, doClear:
		e.clear(v)
	case doMiss:
		v.log.Error("cannot launch", "error", v.cause)
		e.settle(v)
	case doSettle:
		e.settle(v)
	case doPause, doResume:
		e.backoff(v, what)
	case doHold:
		e.hold(v)
	case doPostpone:
		e.postpone(v)
	case doWatch, doUnwatch, doUnbound, doHasten, doForget:
		e.demand(v, what)
	case doReload:
		e.reload(v)
	case doTaken:
		e.taken(v)
	case doRefuse:
		e.refuse(v)
	}
}

// mercyFor is the time that a vassal has to end: the operator's, of which a program in its
// place may want less. A master knows its own.
func (e *Emperor) mercyFor(v *vassal) time.Duration {
	if v.mercy > 0 {
		return min(v.mercy, e.options.Mercy)
	}
	return e.options.Mercy
}

// launch starts the next generation with the configuration wanted now.
func (e *Emperor) launch(v *vassal) {
	ctx, cancel := context.WithCancelCause(context.Background())
	v.cancel = cancel
	a := generationOf{v, v.generation}
	e.launches++
	r := Request{Plan: v.config, Generation: v.generation, Order: e.launches, Log: v.log}
	r.Hooking = func(hook hooks.Result) { e.post(hookBegun{a, hook}) }
	r.Hooked = func(result hooks.Result) { e.post(hookDone{a, result}) }
	r.Kept, r.Trial, r.Reverted = v.kept, v.onTrial(), v.reverted()
	held := e.holdsSockets(v)
	if !held {
		v.kept = nil
	}
	if v.activation != nil {
		r.Socket = v.activation.Socket()
	}
	launcher := e.options.Launcher
	late := time.AfterFunc(slowLaunch, func() { e.post(slowLaunched{a}) })
	e.group.Go(func() {
		defer cancel(nil)
		defer late.Stop()
		process, err := launcher.Launch(ctx, r)
		if !held {
			r.Kept.Close()
		}
		e.post(launched{a, process, err})
	})
}

// next is the history that a new generation starts with.
func (v *vassal) next() history {
	h, failed := v.history, ""
	if v.reverted() {
		failed = h.reloadError
	}
	return history{
		reloadError: failed,
		exit:        h.exit, exited: h.exited, firstRun: h.firstRun, lastRun: h.lastRun, launches: h.launches,
		lastAccepting: h.lastAccepting, lastLoyal: h.lastLoyal, hookRuns: h.hookRuns,
	}
}

// stable sets the time of forgiveness, and takes over what was wanted meanwhile.
func (e *Emperor) stable(v *vassal) {
	e.arm(v, e.options.Backoff.Reset)
	e.closeKept(v)
	if v.wanted != nil && !v.wanted.same(v.config) {
		e.applyToServing(v)
	}
}

func (e *Emperor) curse(v *vassal) {
	v.log.Warn("closed its pipe and lives: cursed", "tolerance", e.options.CurseTolerance)
	if e.options.CurseTolerance > 0 {
		e.arm(v, e.options.CurseTolerance)
	}
}

func (e *Emperor) clear(v *vassal) {
	if v.heartbeatTimer != nil {
		v.heartbeatTimer.Stop()
		v.heartbeatTimer = nil
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	v.cancel = cancel
	a, process := generationOf{v, v.generation}, v.process
	e.group.Go(func() {
		defer cancel(nil)
		err := process.Clear(ctx)
		if kept := process.KeptSockets(); !e.post(cleared{a, err, process.LastLine(), kept}) {
			kept.Close()
		}
	})
}
