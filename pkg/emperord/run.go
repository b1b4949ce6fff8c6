package emperord

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/internal/version"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// outside has the parts of the process around the emperor.
type outside struct {
	args   []string        // of the command line
	hurry  <-chan struct{} // each further stop signal
	stderr *termlog.Queue
	level  *slog.LevelVar // the lowest that is logged
	from   string         // the working directory at the start
	// environ is the environment at the start, with which the options are read.
	environ []string
	ready   func() // called when the log and the pid file exist
}

// run gathers the possessions of the emperor, and governs until ctx ends.
func run(ctx context.Context, around outside, o *config.Emperor, a Additions, warnings config.Problems) error {
	log, kept := watched(o, slog.New(handler(around.stderr, o, around.level)))
	warnRights(log, o)
	warn(log, warnings)
	g, err := gather(ctx, beginning{options: o, additions: a, warnings: kept, crowded: around.stderr.Crowded, log: log})
	if err != nil {
		return err
	}
	defer g.close()
	return govern(ctx, around, g)
}

// govern wires the emperor and supervises until ctx ends.
func govern(ctx context.Context, around outside, g *gathered) error {
	w, err := wired(ctx, around, g)
	if err != nil {
		return err
	}
	return actors{emperor: w.emperor.Run, working: w.working(), answering: w.answering()}.run(ctx)
}

// wiring is the emperor with its parts, which the actors share.
type wiring struct {
	gathered *gathered
	emperor  *emperor.Emperor
	tune     *tuner
	touches  *touches
	gate     *control.Gate
	answers  *control.Server
	// transitions are all of the emperor's, for the events. traces runs until the emperor ends.
	transitions <-chan *emperor.Transition
	traces      func()
}

// wired starts the tools of launches, and makes the other parts, top to bottom.
func wired(ctx context.Context, around outside, g *gathered) (*wiring, error) {
	o, log, metrics := g.input.options, g.input.log, g.sockets.metrics
	launches := launcher(g, metrics.Hook)
	if err := launches.Start(ctx, log); err != nil {
		return nil, err
	}
	tune := &tuner{
		args: around.args, from: around.from, environ: around.environ, started: o, options: o,
		level: around.level, log: log, outcomes: make(chan reread, 1),
		parts: parts{
			monitors: g.monitors, launcher: launches, readers: &readers{held: newHeldBack(o.Pass, log)}, files: g.files,
			inherited: g.input.vassals, killNow: around.hurry, observe: metrics.Hook, log: log,
		},
	}
	options, err := supervision(o, tune.parts)
	if err != nil {
		return nil, err
	}
	w := &wiring{gathered: g, tune: tune, touches: newTouches(o.Process.Touch, g.files, log)}
	around.ready()
	w.emperor = emperor.New(options)
	groups := g.sockets.groups
	w.gate = &control.Gate{Confines: launches.Confines, Log: log, Groups: groups.command, ReadGroups: groups.read, Owners: groups.owners}
	w.transitions, w.traces = w.emperor.Follow(), tracer(o, w.emperor, log)
	w.answers = &control.Server{
		Emperor: w.emperor, Output: g.output, Events: g.events, Rescan: w.rescan, Meter: g.sockets.meter, Gate: w.gate, Log: log,
		Stopping: ctx.Done(), Network: g.audited(), Tyrant: o.Tyrant.On, Changes: tune.parts.readers.changes,
		Failures: g.sockets.failures.counts,
		Info: control.Info{
			Version: version.Number, PID: os.Getpid(), Started: time.Now(), Monitors: o.Monitors, Namespaces: new(o.Clone.String()),
		},
	}
	return w, nil
}

// working are the actors beside the emperor.
func (w *wiring) working() []actor {
	g, e := w.gathered, w.emperor
	o, log := g.input.options, g.input.log
	return append(g.sockets.keepers(e, o.RuntimeDir),
		task(func(ctx context.Context) { keepClaims(ctx, g.registry, log) }),
		task(func(ctx context.Context) { settleClaims(ctx, e, g.registry) }),
		task(func(ctx context.Context) { g.commands.keep(ctx, o.RuntimeDir) }),
		task(func(ctx context.Context) { reapOrphans(ctx, o) }),
		task(func(ctx context.Context) { returnMemory(ctx, e) }),
		task(measureCapacity(o, log).watcher(e)),
		task(func(ctx context.Context) { warnOpen(ctx, o, log) }),
		task(func(ctx context.Context) { report(ctx, e, log) }),
		task(w.touches.watch),
		task(g.watchNames),
		task(func(ctx context.Context) { handleSignals(ctx, e, w.tune, w.touches.files, w.rescan, log) }),
	)
}

// answering are the actors that answer clients until the emperor has ended.
func (w *wiring) answering() []actor {
	g := w.gathered
	return append(g.sockets.servers(w.emperor, w.answers, g.page(w.emperor, w.answers, w.tune.parts.readers)),
		task(func(context.Context) { g.events.Run(w.transitions) }), // they end with the emperor
		task(func(context.Context) { w.traces() }),
		task(func(ctx context.Context) { g.commands.receiveAll(ctx, w.emperor, w.gate) }),
	)
}

// rescan makes all monitors rescan now.
func (w *wiring) rescan() { rescan(w.gathered.monitors) }

// warn logs warnings about the emperor's options.
func warn(log *slog.Logger, warnings config.Problems) {
	for _, w := range warnings {
		log.Warn(w.Error())
	}
}

// rescan makes monitors rescan now, if they support it.
func rescan(monitors []monitor.Monitor) {
	for _, m := range monitors {
		if r, ok := m.(interface{ Rescan() }); ok {
			r.Rescan()
		}
	}
}
