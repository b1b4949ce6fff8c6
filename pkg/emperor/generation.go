package emperor

import (
	"context"
	"time"

	"github.com/emperor-go/emperor/pkg/hooks"
)

// launch starts the next generation with the configuration wanted now.
func (e *Emperor) launch(v *vassal) {
	ctx, cancel := context.WithCancelCause(context.Background())
	v.cancel = cancel
	a := generationOf{v, v.generation}
	e.launches++
	r := Request{Plan: v.config, Generation: v.generation, Order: e.launches, Log: v.log}
	r.Hooking = func(hook hooks.Result) { e.post(hookBegun{a, hook}) }
	r.Hooked = func(result hooks.Result) { e.post(hookDone{a, result}) }
	r.Disconnected = func(reason string) { e.post(disconnected{a, reason}) }
	r.Kept, r.Trial, r.Reverted = v.kept, v.onTrial(), v.reverted()
	if v.config.Joins() {
		if host := e.vassals.hostOf(v.config); host != nil {
			r.Host = host.process
		}
	}
	held := v.holdsSockets()
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
		reloadError: failed, exit: h.exit, launches: h.launches, hookRuns: h.hookRuns,
		moments: moments{
			exited: h.exited, firstRun: h.firstRun, lastRun: h.lastRun, lastAccepting: h.lastAccepting, lastLoyal: h.lastLoyal,
		},
	}
}

// clearUp removes the resources of the generation, and runs the hooks of its end.
func clearUp(_ *Options, v *vassal) {
	if v.heartbeatTimer != nil {
		v.heartbeatTimer.Stop()
		v.heartbeatTimer = nil
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	v.cancel = cancel
	a, process := generationOf{v, v.generation}, v.process
	v.group.Go(func() {
		defer cancel(nil)
		err := process.Clear(ctx)
		if kept := process.KeptSockets(); !v.post(cleared{a, err, process.LastLine(), kept}) {
			kept.Close()
		}
	})
}
