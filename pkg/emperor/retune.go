package emperor

import (
	"context"
	"errors"
	"reflect"

	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// Retune replaces the options for everything that begins from now on: a vassal's next launch,
// stop, pause or silence. A running generation keeps the Launcher that made it, and so the
// hooks of its end. Monitors, Check, Compare, Activator, KillNow, Observe and Log do not change.
// The error is ErrEnded or the cause of ctx.
func (e *Emperor) Retune(ctx context.Context, o Options) error {
	return e.ask(ctx, func() {
		was := e.options
		o.Monitors, o.Check, o.Compare, o.Activator, o.KillNow, o.Observe, o.Log = was.Monitors, was.Check, was.Compare, was.Activator,
			was.KillNow, was.Observe, was.Log
		e.options = o
	})
}

// recheck checks the configurations of running vassals again, outside the loop and one after
// the other, because the files around them may have changed. Each vassal is then reloaded, or
// gets a new process when its templates, its capabilities or its profile have changed.
func (e *Emperor) recheck(list []*vassal) {
	type subject struct {
		generationOf
		config monitor.Config
	}
	subjects := make([]subject, len(list))
	for i, v := range list {
		subjects[i] = subject{generationOf{v, v.run.generation}, v.wish.wanted.Config}
	}
	check := e.options.Check
	e.checks.Add(1) // results that monitors keep are outdated
	e.round.checks++
	e.group.Go(func() {
		for _, s := range subjects {
			facts, err := check(s.config)
			e.post(rechecked{s.generationOf, s.config.Version, facts, err})
		}
		e.post(question(func(e *Emperor) { e.round.checks-- }))
	})
}

// rechecked: the configuration of a running vassal was checked again.
type rechecked struct {
	generationOf
	version monitor.Version
	facts   Facts
	err     error
}

func (r rechecked) apply(e *Emperor) {
	if r.counts() && !r.replaces(e) {
		e.round.add(r.v)
	}
}

// counts reports whether the configuration can be used, and notes a mistake in it.
func (r rechecked) counts() bool {
	v := r.v
	if r.effort(r.version).isVoid(v) {
		return false
	}
	if errors.Is(r.err, reads.ErrSlow) {
		v.log.Warn("cannot check its configuration again; the vassal continues", "error", r.err)
		return false
	}
	v.setFault(r.err)
	return r.err == nil
}

// replaces gives the vassal a new process if its process cannot take over the files around its configuration, and reports that.
func (r rechecked) replaces(e *Emperor) bool {
	v := r.v
	plan := *v.wish.wanted
	plan.Facts = r.facts
	v.wish.wanted = &plan
	var changed string
	switch {
	case !reflect.DeepEqual(plan.Templates, v.run.config.Templates):
		changed = "its templates have changed"
	case !plan.Bounds.All.Same(v.run.config.Bounds.All): // a process cannot get back what it has given up
		changed = "emperor-cap has changed"
	case !plan.Filtered.same(v.run.config.Filtered):
		changed = profileChanged
	default:
		return false
	}
	v.log.Info(changed + ": a new process is needed")
	v.note(AboutReload, "%s, a new process is needed", changed)
	e.replaceProcess(v) // also one that was refused
	return true
}
