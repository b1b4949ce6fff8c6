package emperor

import (
	"context"
	"time"
)

// do carries out an effect. It runs in the loop and must not block.
func (e *Emperor) do(v *vassal, what Effect) {
	switch what {
	case doNothing:
	case doEnqueue:
		e.queue = append(e.queue, v)
	case doLeave:
		e.unqueue(v)
	case doLaunch:
		e.launch(v)
	case doCancel:
		v.cancel(errGaveUp)
	case doStable:
		e.arm(v, e.options.Backoff.Reset)
	case doForgive:
		v.failures = 0
	case doStop:
		v.process.Stop()
		e.arm(v, e.options.Mercy)
	case doKill:
		v.log.Warn("did not stop in time: killing it", "mercy", e.options.Mercy)
		v.process.Kill()
	case doFail:
		v.miscarried()
		e.clear(v)
	case doMiss:
		v.miscarried()
		v.log.Error("cannot launch", "error", v.cause)
		e.input(v, v.verdict())
	case doClear:
		e.clear(v)
	case doSettle:
		e.input(v, v.verdict())
	case doPause:
		wait := e.options.Backoff.wait(v.failures)
		v.log.Warn("waiting before the next launch", "wait", wait, "failures", v.failures)
		e.arm(v, wait)
	}
}

// launch starts the next generation with the configuration wanted now.
func (e *Emperor) launch(v *vassal) {
	v.generation++
	v.version, v.failed, v.cause, v.exit = v.wanted.Version, false, nil, ""
	ctx, cancel := context.WithCancelCause(context.Background())
	v.cancel = cancel
	a := about{v, v.generation}
	r := Request{Config: *v.wanted, Generation: v.generation, Log: v.log}
	late := time.AfterFunc(slowLaunch, func() { e.post(slow{a}) })
	e.group.Go(func() {
		defer cancel(nil)
		defer late.Stop()
		process, err := e.options.Launcher.Launch(ctx, r)
		e.post(launched{a, process, err})
	})
}

func (e *Emperor) clear(v *vassal) {
	a, process := about{v, v.generation}, v.process
	e.group.Go(func() { e.post(cleared{a, process.Clear()}) })
}

// miscarried counts a generation that ended without being asked.
func (v *vassal) miscarried() {
	v.failed = true
	v.failures++
}

// verdict is what comes after a generation.
func (v *vassal) verdict() Input {
	switch {
	case v.withdrawn:
		return Forget
	case v.wanted == nil:
		return Rest
	case v.failed && v.wanted.Version == v.version:
		return Wait
	}
	return Again
}
