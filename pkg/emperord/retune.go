package emperord

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/emperor-go/emperor/internal/assist/direct"
	"github.com/emperor-go/emperor/internal/dialect/foreign/parser"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/internal/turn"
	"github.com/emperor-go/emperor/internal/vassalfiles"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// tuner takes over changes of the emperor's own options at run time. One goroutine uses it.
type tuner struct {
	args    []string        // of the command line
	started *config.Emperor // the options of the start: those in effect that need a restart
	options *config.Emperor // the last valid ones
	from    string          // the directory in which the emperor was started
	environ []string        // and the environment
	parts   parts           // with the launcher of vassals from now on
	level   *slog.LevelVar
	log     *slog.Logger

	outcomes chan reread               // holds one
	late     <-chan time.Time          // when the read that goes on takes too long; nil: none goes on, or it is stuck
	stuck    bool                      // a read takes too long
	again    bool                      // the options are to be read once more
	join     func(limit time.Duration) // of the last read; nil: there was none
}

// rereadLimit limits commands and downloads of the emperor's file, and rereadingMax the whole
// read: nothing interrupts the read of a file that does not answer.
const rereadLimit, rereadingMax = 10 * time.Second, 12 * time.Second

// reread is the outcome of reading the emperor's options again.
type reread struct {
	options  *config.Emperor
	warnings config.Problems
	err      error
}

// reload begins to read the emperor's options again, outside this goroutine, and to reload all
// vassals then. The caller passes the outcome, of outcomes, to settle, and calls giveUp when
// late fires. While a read has not ended, the next one waits for it.
func (t *tuner) reload(ctx context.Context, e *emperor.Emperor) {
	switch {
	case t.stuck:
		t.giveUp(ctx, e)
		return
	case t.late != nil:
		t.again = true
		return
	}
	t.late = time.After(rereadingMax)
	t.join = aside(func() {
		limited, cancel := context.WithTimeout(ctx, rereadLimit)
		defer cancel()
		all := config.FullPermissions(parser.Parse, direct.Means())
		all.Dir, all.Environ, all.Until = t.from, t.environ, limited
		var r reread
		r.options, r.warnings, r.err = config.Loader{Permissions: all}.Emperor(t.args)
		t.outcomes <- r
	})
}

// end waits for a read that goes on, but not for one that takes too long.
func (t *tuner) end() {
	if t.late != nil && t.join != nil {
		t.join(logEnd)
	}
}

// giveUp reloads all vassals without the options, which take too long. They are read again when
// that read has ended.
func (t *tuner) giveUp(ctx context.Context, e *emperor.Emperor) {
	t.late, t.stuck = nil, true
	t.log.Error("cannot read the emperor's options; they stay unchanged", "error", reads.ErrSlow)
	_ = e.DoAll(ctx, emperor.ReloadAll) // an error means that the emperor is ending
}

// settle takes over the outcome of a read.
func (t *tuner) settle(ctx context.Context, e *emperor.Emperor, r reread) {
	again := t.again || t.stuck
	if !t.stuck { // otherwise the files may be others by now
		t.adopt(ctx, e, r)
	}
	t.late, t.stuck, t.again = nil, false, false
	if again {
		t.reload(ctx, e)
	}
}

// adopt takes over the options that can change at run time, names the others, and reloads all
// vassals. With a mistake in them everything stays unchanged, and the vassals reload all the
// same.
func (t *tuner) adopt(ctx context.Context, e *emperor.Emperor, r reread) {
	defer func() { _ = e.DoAll(ctx, emperor.ReloadAll) }() // an error means that the emperor is ending
	next, warnings, err := r.options, r.warnings, r.err
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
	next.Clone, next.OnDemand, next.Env, next.Pass, next.Network = t.options.Clone, t.options.OnDemand, t.options.Env, t.options.Pass, t.options.Network
	next.Tyrant, next.IDs = t.options.Tyrant, t.options.IDs // rules about rights last as long as the monitors
	err := reserveThreads(next)
	if err != nil {
		t.log.Error("cannot use the emperor's options; they stay unchanged", "error", err)
		return false
	}
	l := *t.parts.launcher
	l.Hooks.Set, l.Hooks.Timeout, l.Hooks.Early = next.Hooks, next.HookTimeout, next.EarlyRelease
	l.Rights.RefuseRoot, l.Rights.Capabilities = refusesRoot(next), next.Capabilities.Given()
	l.Programs.Wrappers, l.Templates = vassalfiles.Wrappers(next.Wrapping), templates(next.Templates, l.Reads)
	l.Programs.Wrappers.Before, l.Programs.Wrappers.After = templateArgs(next.Templates)
	if next.HookConcurrency != t.options.HookConcurrency {
		l.Hooks.Turns = turn.New(next.HookConcurrency)
	}
	changed := t.parts
	changed.launcher = &l
	options, err := supervision(next, changed)
	if err != nil {
		t.log.Error("cannot use the emperor's options; they stay unchanged", "error", err)
		return false
	}
	if e.Retune(ctx, options) != nil {
		return false // the emperor is ending
	}
	t.level.Set(next.LogLevel)
	t.options, t.parts = next, changed
	return true
}
