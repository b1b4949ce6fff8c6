package emperor

import (
	"context"
	"time"

	"github.com/emperor-go/emperor/pkg/hooks"
)

// launch starts the next generation with the configuration wanted now.
func (e *Emperor) launch(v *vassal) {
	ctx, cancel := context.WithCancelCause(context.Background())
	v.run.cancel = cancel
	a := generationOf{v, v.run.generation}
	e.launches++
	r := Request{Plan: v.run.config, Generation: v.run.generation, Order: e.launches, Log: v.log}
	r.Hooking = func(hook hooks.Result) { e.post(hookBegun{a, hook}) }
	r.Hooked = func(result hooks.Result) { e.post(hookDone{a, result}) }
	r.Disconnected = func(reason string) { e.post(disconnected{a, reason}) }
	r.Kept, r.Trial, r.Reverted = v.run.kept, v.onTrial(), v.reverted()
	if v.run.config.Joins() {
		if host := e.vassals.hostOf(v.run.config); host != nil {
			r.Host = host.run.process
		}
	}
	v.history.reload.waited = len(v.run.kept) > 0 || v.demand.activation != nil
	held := v.holdsSockets()
	if !held {
		v.run.kept = nil
	}
	if v.demand.activation != nil {
		r.Socket = v.demand.activation.Socket()
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

// next returns the history with which the next generation starts. reloadError is the error of an edit that it
// does not have; empty: none.
func (h *history) next(reloadError string) history {
	return history{
		reload: lastReload{err: reloadError}, exit: h.exit, launches: h.launches, hookRuns: h.hookRuns,
		at: moments{
			exited: h.at.exited, firstRun: h.at.firstRun, lastRun: h.at.lastRun, lastAccepting: h.at.lastAccepting, lastLoyal: h.at.lastLoyal,
		},
	}
}

// clearUp removes the resources of the generation, and runs the hooks of its end.
func clearUp(_ *Options, v *vassal) {
	if v.run.heartbeatTimer != nil {
		v.run.heartbeatTimer.Stop()
		v.run.heartbeatTimer = nil
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	v.run.cancel = cancel
	a, process := generationOf{v, v.run.generation}, v.run.process
	v.group.Go(func() {
		defer cancel(nil)
		err := process.Clear(ctx)
		if kept := process.KeptSockets(); !v.post(cleared{a, err, process.LastLine(), kept}) {
			kept.Close()
		}
	})
}
