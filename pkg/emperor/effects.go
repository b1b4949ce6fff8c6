package emperor

import (
	"context"
	"time"

	"github.com/emperor-go/emperor/pkg/hooks"
)

// do carries out an effect. It runs in the loop and must not block.
func (e *Emperor) do(v *vassal, what Effect) {
	switch what {
	case doNothing:
	case doEnqueue:
		e.queue = append(e.queue, v)
	case doLeave:
		e.unqueue(v)
		e.settle(v)
	case doLaunch:
		e.launch(v)
	case doCancel:
		v.cancel(errGaveUp)
	case doStable:
		e.stable(v)
	case doForgive:
		v.failures = 0
	case doStop, doSilence:
		if what == doSilence {
			v.miscarried()
		}
		v.process.Stop(e.options.Graceful && e.stopping)
		e.arm(v, e.options.Mercy)
	case doKill:
		v.log.Warn("did not end in time: killing it")
		v.process.Kill()
	case doCurse:
		e.curse(v)
	case doFail, doClear:
		if what == doFail {
			v.miscarried()
		}
		e.clear(v)
	case doMiss:
		v.miscarried()
		v.log.Error("cannot launch", "error", v.cause)
		e.settle(v)
	case doSettle:
		e.settle(v)
	case doPause, doResume:
		e.backoff(v, what)
	case doWatch, doUnwatch, doUnbound, doHasten, doForget:
		e.demand(v, what)
	case doReload:
		e.reload(v)
	case doTaken:
		e.taken(v)
	case doRefuse:
		if v.reloadError == "" {
			v.reloadError = errNoAnswer.Error()
		}
		e.refuse(v, v.reloadError)
	}
}

// launch starts the next generation with the configuration wanted now.
func (e *Emperor) launch(v *vassal) {
	v.generation++
	v.launches++
	v.config, v.serial, v.failed, v.left = *v.wanted, 1, false, false
	v.history = v.next()
	ctx, cancel := context.WithCancelCause(context.Background())
	v.cancel = cancel
	a := about{v, v.generation}
	r := Request{Plan: v.config, Generation: v.generation, Log: v.log}
	r.Hooked = func(result hooks.Result) { e.post(hooked{a, result}) }
	if v.activation != nil {
		r.Socket = v.activation.Socket()
	}
	late := time.AfterFunc(slowLaunch, func() { e.post(slow{a}) })
	e.group.Go(func() {
		defer cancel(nil)
		defer late.Stop()
		process, err := e.options.Launcher.Launch(ctx, r)
		e.post(launched{a, process, err})
	})
}

// next is the history that a new generation starts with.
func (h history) next() history {
	return history{
		exit: h.exit, exited: h.exited, firstRun: h.firstRun, lastRun: h.lastRun, launches: h.launches,
		lastAccepting: h.lastAccepting, lastLoyal: h.lastLoyal, hookRuns: h.hookRuns,
	}
}

// stable sets the time of forgiveness, and takes over what was wanted meanwhile.
func (e *Emperor) stable(v *vassal) {
	e.arm(v, e.options.Backoff.Reset)
	if v.wanted != nil && !v.wanted.same(v.config) {
		e.approach(v)
	}
}

func (e *Emperor) curse(v *vassal) {
	v.miscarried()
	v.log.Warn("closed its pipe and lives: cursed", "tolerance", e.options.CurseTolerance)
	if e.options.CurseTolerance > 0 {
		e.arm(v, e.options.CurseTolerance)
	}
}

func (e *Emperor) clear(v *vassal) {
	if v.pulse != nil {
		v.pulse.Stop()
		v.pulse = nil
	}
	a, process := about{v, v.generation}, v.process
	e.group.Go(func() { e.post(cleared{a, process.Clear()}) })
}
