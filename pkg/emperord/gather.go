package emperord

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/emperor-go/emperor/internal/claims"
	"github.com/emperor-go/emperor/internal/eventlog"
	"github.com/emperor-go/emperor/internal/journal"
	"github.com/emperor-go/emperor/internal/libexec"
	"github.com/emperor-go/emperor/internal/output"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/internal/version"
	"github.com/emperor-go/emperor/internal/webpage"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/emperor/process"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// gathered has everything that an emperor owns before it governs: locks, sockets, the root of
// its cgroups and the threads that clone. gather makes it, or takes it over from an earlier emperor
// (inheritance).
type gathered struct {
	input       beginning
	programs    *libexec.Programs // of vassals
	libraries   hooks.Libraries
	files       *reads.Pool
	monitors    []monitor.Monitor
	registry    *claims.Registry
	tools       *tools
	output      *output.Hub
	events      *eventlog.Log
	sockets     *sockets
	commands    *datagrams // nil: none
	cgroups     *namespaces.CgroupRoot
	ledger      *process.Ledger
	network     emperor.Network // nil: vassals are not connected
	measured    *networkMetrics // nil: the network is not the built-in one
	connections *connections    // nil: the network is not the built-in one
	ids         idChooser       // nil: vassals have no ids of their own

	undo []func() // the last first
}

// close gives everything back, in the reverse order.
func (g *gathered) close() {
	for i := len(g.undo) - 1; i >= 0; i-- {
		g.undo[i]()
	}
	g.undo = nil
}

// beginning is the input of gather.
type beginning struct {
	options   *config.Emperor
	additions Additions
	inheritance
	warnings *webpage.Warnings // for the page
	crowded  func() bool       // reports whether the log is behind
	log      *slog.Logger
}

// gather makes everything that is not inherited, in an order that operators rely on: locks are
// taken and hooks run before sockets are bound, and all that needs root comes before the drop
// of privileges. After an error nothing is left.
func gather(ctx context.Context, b beginning) (_ *gathered, err error) {
	o, a, in, log := b.options, b.additions, b.inheritance, b.log
	g := &gathered{input: b, files: reads.New()}
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	// Inherited descriptors are not for vassals and hooks.
	if err := errors.Join(ownEnvironment(o), namespaces.CloseOnExecFrom(3)); err != nil {
		return nil, err
	}
	if err := g.holdPrograms(); err != nil {
		return nil, err
	}
	if err := o.Around.Libraries.Load(func(err error) { log.Warn("a plugin is left out", "error", err) }); err != nil {
		return nil, err
	}
	spare(log)
	if err := g.keep(ownProcess(ctx, o, log)); err != nil {
		return nil, err
	}
	if err := g.claim(a); err != nil {
		return nil, err
	}
	collectOrphans(ctx, log)
	if g.tools, err = newTools(o, in, g.programs.Main.At, log); err != nil {
		return nil, err
	}
	g.undo = append(g.undo, g.tools.close)
	g.output = &output.Hub{Files: reads.New(), Crowded: b.crowded, Journal: journal.New()}
	g.output.ToJournal = outputToJournal(o, g.output.Journal, log)
	if g.sockets, err = openSockets(o, in, g.collectors(a), log); err != nil {
		return nil, err
	}
	g.undo = append(g.undo, g.sockets.close)
	g.events = &eventlog.Log{Told: g.sockets.metrics.Told, Gone: func(name string) { g.forgotten(ctx, name) }}
	if g.commands, err = listenForCommands(o.CommandSocket, o.CommandRemote, in.commands, log); err != nil {
		return nil, err
	}
	g.undo = append(g.undo, g.commands.close)
	if err := g.keep(settle(ctx, o, log)); err != nil {
		return nil, err
	}
	cgroups, leave, err := ownCgroup(in, o.Clone, o.UID.Set, log)
	if err := g.keep(leave, err); err != nil {
		return nil, err
	}
	g.cgroups = cgroups
	warnReaders(log, g.programs.Main.Path)
	log.Info("emperor "+version.Number+" is watching", "monitors", o.Monitors, "namespaces", o.Clone.String(), "pid", os.Getpid())
	if cgroups != nil {
		limitVassals(cgroups, log)
	}
	if g.ids, err = idsOf(o, g.files, log); err != nil {
		return nil, err
	}
	g.ledger = g.sockets.ledger(ctx)
	return g, g.openNetwork(ctx, a)
}

// holdPrograms opens the programs of vassals, before hooks of this emperor run.
func (g *gathered) holdPrograms() error {
	path, libraries, err := vassalProgram(g.input.options)
	if err != nil {
		return err
	}
	if g.programs, err = libexec.HoldAll(path, companions...); err != nil {
		return err
	}
	g.libraries = libraries
	g.undo = append(g.undo, g.programs.Close)
	return nil
}

// keep records the reverse of a step, unless the step has failed.
func (g *gathered) keep(undo func(), err error) error {
	if err == nil {
		g.undo = append(g.undo, undo)
	}
	return err
}

// claim makes the monitors and takes their files from other emperors.
func (g *gathered) claim(a Additions) (err error) {
	if g.registry, err = openClaims(g.input.options, g.input.claims, g.input.log); err != nil {
		return err
	}
	g.undo = append(g.undo, g.registry.Close)
	g.monitors, err = monitors(g.input.options, a, g.registry, g.files, g.input.log)
	return err
}
