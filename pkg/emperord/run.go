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

// run gathers what the emperor needs, and governs until ctx ends.
func run(ctx context.Context, around outside, o *config.Emperor, a Additions, warnings config.Problems) error {
	log, kept := watched(o, slog.New(handler(around.stderr, o, around.level)))
	warnRights(log, o)
	warn(log, warnings)
	g, err := gather(ctx, o, a, around.stderr.Crowded, log)
	if err != nil {
		return err
	}
	defer g.close()
	g.warnings = kept
	return govern(ctx, around, g)
}

// govern wires the emperor, top to bottom, and supervises until ctx ends.
func govern(ctx context.Context, around outside, g *gathered) error {
	o, log, metrics := g.options, g.log, g.sockets.metrics
	launches := launcher(g, metrics.Hook)
	if err := launches.Start(ctx, log); err != nil {
		return err
	}
	tune := &tuner{
		args: around.args, from: around.from, environ: around.environ, started: o, options: o,
		level: around.level, log: log, outcomes: make(chan reread, 1),
		parts: parts{
			monitors: g.monitors, launcher: launches, readers: &readers{held: newHeldBack(o.Pass, log)}, files: g.files,
			killNow: around.hurry, observe: metrics.Hook, log: log,
		},
	}
	options, err := supervision(o, tune.parts)
	if err != nil {
		return err
	}
	touches := newTouches(o.Process.Touch, g.files, log)
	around.ready()
	e := emperor.New(options)
	gate := &control.Gate{Confines: launches.Confines, Log: log, Groups: g.sockets.groups.command, ReadGroups: g.sockets.groups.read, Owners: g.sockets.groups.owners}
	events := g.events
	events.Told, events.Gone = metrics.Told, g.forgotten
	transitions := e.Follow()
	traces := tracer(o, e, log)
	look := func() { rescan(g.monitors) }
	answers := &control.Server{
		Emperor: e, Output: g.output, Events: events, Rescan: look, Meter: g.sockets.meter, Gate: gate, Log: log, Stopping: ctx.Done(), Network: g.audited(), Tyrant: o.Tyrant.On,
		Changes: tune.parts.readers.changes,
		Info:    control.Info{Version: version.Number, PID: os.Getpid(), Started: time.Now(), Monitors: o.Monitors, Namespaces: new(o.Clone.String())},
	}
	return actors{
		emperor: e.Run,
		working: append(g.sockets.keepers(e, o.RuntimeDir),
			task(func(ctx context.Context) { keepClaims(ctx, g.registry, log) }),
			task(func(ctx context.Context) { g.commands.keep(ctx, o.RuntimeDir) }),
			task(func(ctx context.Context) { reapOrphans(ctx, o) }),
			task(func(ctx context.Context) { returnMemory(ctx, e) }),
			task(measureCapacity(o, log).watcher(e)),
			task(func(ctx context.Context) { warnOpen(ctx, o, log) }),
			task(func(ctx context.Context) { report(ctx, e, log) }),
			task(touches.watch),
			task(g.watchNames),
			task(func(ctx context.Context) { handleSignals(ctx, e, tune, touches.files, look, log) }),
		),
		answering: append(g.sockets.servers(e, answers, g.page(e, answers, tune.parts.readers)),
			task(func(context.Context) { events.Run(transitions) }), // they end with the emperor
			task(func(context.Context) { traces() }),
			task(func(ctx context.Context) { g.commands.receiveAll(ctx, e, gate) }),
		),
	}.run(ctx)
}

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
