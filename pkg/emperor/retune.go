package emperor

import (
	"context"
	"errors"
	"reflect"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/emperor/reads"
)

// Retune takes over other options for everything that comes from now on: a vassal's
// next launch, stop, pause or silence. A generation that runs keeps the Launcher that
// made it, and so the hooks of its end. Monitors, Check, Compare, Activator, Hurry,
// Observe and Log stay what they were. The error is ErrEnded or the cause of ctx.
func (e *Emperor) Retune(ctx context.Context, o Options) error {
	return e.ask(ctx, func() {
		was := e.options
		o.Monitors, o.Check, o.Compare, o.Activator, o.Hurry, o.Observe, o.Log = was.Monitors, was.Check, was.Compare, was.Activator, was.Hurry, was.Observe, was.Log
		e.options = o
	})
}

// recheck checks the configurations of vassals that run once more, off the loop and one
// after the other: the files around them may say something else by now. Each is then
// reloaded, or gets a new process where its templates have changed.
func (e *Emperor) recheck(list []*vassal) {
	type subject struct {
		about
		config monitor.Config
	}
	subjects := make([]subject, len(list))
	for i, v := range list {
		subjects[i] = subject{about{v, v.generation}, v.wanted.Config}
	}
	check := e.options.Check
	e.checks.Add(1) // outcomes that monitors keep are old
	e.rechecking++
	e.group.Go(func() {
		for _, s := range subjects {
			facts, err := check(s.config)
			e.post(rechecked{s.about, s.config.Version, facts, err})
		}
		e.post(question(func(e *Emperor) { e.rechecking-- }))
	})
}

// rechecked: a configuration that runs was checked once more.
type rechecked struct {
	about
	version monitor.Version
	facts   Facts
	err     error
}

func (r rechecked) apply(e *Emperor) {
	v := r.v
	if r.stale() || v.state != Running || v.withdrawn || v.wanted.Version != r.version {
		return // a newer configuration was checked by itself
	}
	if errors.Is(r.err, reads.ErrSlow) {
		v.log.Warn("cannot check its configuration again; what runs goes on", "error", r.err)
		return
	}
	if e.note(v, r.err); r.err != nil {
		return
	}
	plan := *v.wanted
	plan.Facts = r.facts
	v.wanted = &plan
	if !reflect.DeepEqual(plan.Templates, v.config.Templates) {
		v.log.Info("its templates have changed: a new process is needed")
		e.mention(v, AboutReload, "its templates have changed, a new process is needed")
		e.anew(v)
		return
	}
	e.rolling = append(e.rolling, v)
}
