package emperord

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/emperor-go/emperor/internal/turn"
	"github.com/emperor-go/emperor/internal/vassalfiles"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/config/foreign/parser"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/process"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// tuner takes over changes of the emperor's own options at run time. One goroutine uses it.
type tuner struct {
	args     []string        // of the command line
	started  *config.Emperor // the options of the start: those in effect that need a restart
	options  *config.Emperor // the last valid ones
	from     string          // the directory in which the emperor was started
	environ  []string        // and the environment
	readers  *readers
	launcher *process.Launcher // launches vassals from now on
	level    *slog.LevelVar
	log      *slog.Logger
}

// rereading limits commands and downloads of the emperor's file.
const rereading = 10 * time.Second

// reload reads the emperor's options again, takes over those that can change at run time,
// names the others, and reloads all vassals. With a mistake in them everything stays
// unchanged, and the vassals reload all the same.
func (t *tuner) reload(ctx context.Context, e *emperor.Emperor) {
	defer func() { _ = e.DoAll(ctx, emperor.ReloadAll) }() // an error means that the emperor is ending
	limited, cancel := context.WithTimeout(ctx, rereading)
	defer cancel()
	access := config.Own(parser.Parse)
	access.Dir, access.Environ, access.Until = t.from, t.environ, limited
	next, warnings, err := access.ParseEmperor(t.args)
	if err != nil {
		t.log.Error("a mistake in the emperor's options; they stay unchanged", "error", err)
		return
	}
	changed := func(before *config.Emperor, changeable bool) (names []string) {
		for _, d := range config.DiffEmperor(before, next) {
			if changeable == (d.Change == config.Reload && !native(next, d.Option)) {
				names = append(names, d.Option)
			}
		}
		return names
	}
	taken, kept := changed(t.options, true), changed(t.started, false)
	if len(taken)+len(kept) == 0 {
		return
	}
	warn(t.log, warnings)
	if len(kept) > 0 {
		t.log.Warn("changed options of the emperor need a restart", "options", strings.Join(kept, ", "))
	}
	if len(taken) == 0 || !t.take(ctx, e, next) {
		return
	}
	t.log.Info("changed options of the emperor are in effect", "options", strings.Join(taken, ", "))
}

// native reports whether an option adds hooks that this program cannot run.
func native(o *config.Emperor, option string) bool {
	h, asked := o.Hooks.Native()
	return asked && !hooks.IsNative && h.Spec().Option() == option
}

// take puts the options into effect that can change at run time.
func (t *tuner) take(ctx context.Context, e *emperor.Emperor, next *config.Emperor) bool {
	next.Clone, next.OnDemand, next.Env, next.Pass = t.options.Clone, t.options.OnDemand, t.options.Env, t.options.Pass
	err := reserveThreads(next)
	if err != nil {
		t.log.Error("cannot use the emperor's options; they stay unchanged", "error", err)
		return false
	}
	options, err := supervision(next, t.readers, t.launcher.Reads, t.log)
	if err != nil {
		t.log.Error("cannot use the emperor's options; they stay unchanged", "error", err)
		return false
	}
	l := *t.launcher
	l.Hooks, l.HookTimeout, l.Early, l.RefuseRoot = next.Hooks, next.HookTimeout, next.EarlyRelease, refusesRoot(next)
	l.Wrappers, l.Templates = vassalfiles.Wrappers(next.Wrapping), templates(next.Templates, t.launcher.Reads)
	l.Wrappers.Before, l.Wrappers.After = templateArgs(next.Templates)
	if next.HookConcurrency != t.options.HookConcurrency {
		l.Turns = turn.New(next.HookConcurrency)
	}
	options.Launcher, options.WaitObserver = &l, &l
	if e.Retune(ctx, options) != nil {
		return false // the emperor is ending
	}
	t.level.Set(next.LogLevel)
	t.options, t.launcher = next, &l
	return true
}
