package emperord

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/coreos/go-systemd/v22/journal"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/internal/turn"
	"github.com/emperor-go/emperor/internal/vassalfiles"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// outside has the parts of the process around the emperor.
type outside struct {
	hurry  <-chan struct{} // each further stop signal
	stderr *termlog.Queue
	level  *slog.LevelVar // the lowest that is logged
	from   string         // the working directory at the start
	// environ is the environment at the start, with which the options are read.
	environ []string
	ready   func() // called when the log and the pid file exist
}

// run wires everything, top to bottom, and supervises until ctx ends.
func run(ctx context.Context, around outside, o *config.Emperor, warnings config.Problems) error {
	log := slog.New(handler(around.stderr, o, around.level))
	aboutRights(log, o)
	warn(log, warnings)
	// Inherited descriptors are not for vassals and hooks.
	if err := errors.Join(ownEnvironment(o), namespaces.CloseOnExecFrom(3)); err != nil {
		return err
	}
	program, libraries, err := vassalProgram(o)
	if err != nil {
		return err
	}
	if err := o.Around.Libraries.Load(func(err error) { log.Warn("a plugin is left out", "error", err) }); err != nil {
		return err
	}
	spare(log)
	unmake, err := ownProcess(ctx, o, log)
	if err != nil {
		return err
	}
	defer unmake()
	files := reads.New()
	monitors, registry, err := watching(ctx, o, files, log)
	defer registry.Close()
	if err != nil {
		return err
	}
	collectOrphans(ctx, log)
	tools, err := newTools(o, log)
	if err != nil {
		return err
	}
	defer tools.close()
	sight, err := look(o, log)
	if err != nil {
		return err
	}
	defer sight.close()
	sight.output.Crowded = around.stderr.Crowded
	orders, err := listenForCommands(o.CommandSocket, o.CommandRemote, log)
	if err != nil {
		return err
	}
	defer orders.close()
	undo, err := settle(ctx, o, log)
	if err != nil {
		return err
	}
	defer undo()
	cgroups, leave, err := ownCgroup(o.Clone, o.UID.Set, log)
	if err != nil {
		return err
	}
	defer leave()
	aboutReaders(log, program)
	log.Info("emperor "+config.Version+" is watching", "monitors", o.Monitors, "namespaces", o.Clone.String(), "pid", os.Getpid())
	system := launcher(o, program, libraries, sight, files)
	tools.lend(system)
	system.Cgroups, system.Ledger = cgroups, sight.ledger(ctx)
	if err := system.Start(ctx, log); err != nil {
		return err
	}
	tune := &tuner{started: o, options: o, from: around.from, environ: around.environ, system: system, level: around.level, log: log}
	tune.readers.held = newHeldBack(o.Pass, log)
	options, err := supervision(o, &tune.readers, files, log)
	if err != nil {
		return err
	}
	options.Monitors, options.Launcher, options.Attendant, options.Hurry = monitors, system, system, around.hurry
	options.Observe = sight.hook
	around.ready()
	e := emperor.New(options)
	go reapOrphans(ctx, o)
	look := func() { rescan(monitors) }
	gate := &control.Gate{Confines: system.Confines, Log: log}
	defer sight.serve(ctx, e, o, gate, look)()
	orders.serve(ctx, o.RuntimeDir, e, gate)
	care(ctx, e, o, log)
	defer telling(ctx, e, log)()
	go wishes(ctx, e, tune, look, log)
	return e.Run(ctx)
}

// warn logs warnings about the emperor's options.
func warn(log *slog.Logger, warnings config.Problems) {
	for _, w := range warnings {
		log.Warn(w.Error())
	}
}

// launcher translates the options of launches.
func launcher(o *config.Emperor, program string, libraries hooks.Libraries, seen *sight, files *reads.Pool) *emperor.System {
	s := &emperor.System{
		Program: program, Libraries: libraries, Clone: o.Clone, Hooks: o.Hooks, HookTimeout: o.HookTimeout, Shells: o.Around.Shells, Early: o.EarlyRelease, RefuseRoot: refusesRoot(o),
		Environ: ownEnviron(), Passes: o.Pass.Has, Foreign: vassalfiles.Foreign(o.Wrapping), Reads: files, Templates: templates(o.Templates, files),
		Output: seen.output, NotifyDir: seen.notify(), Observe: seen.startHook, Turns: turn.New(o.HookConcurrency),
	}
	s.Foreign.Before, s.Foreign.After = templateArgs(o.Templates)
	return s
}

// supervision translates the options of the loop, and of reading vassals' files.
func supervision(o *config.Emperor, r *readers, files *reads.Pool, log *slog.Logger) (emperor.Options, error) {
	vassals := &reading{files: o.Templates, reads: files, waits: vassalfiles.HasOnDemand(o.OnDemand), held: r.held, allow: o.Allowed, clone: o.Clone, log: log}
	vassals.attrs = append(slices.Clone(o.Wrapping.Collect), o.Wrapping.ProgramAttr, o.Wrapping.ChdirAttr)
	vassals.wraps = vassalfiles.Foreign(o.Wrapping)
	vassals.refuseRoot, vassals.environ = refusesRoot(o), emperor.VassalEnviron(os.Environ())
	r.current.Store(vassals)
	options := emperor.Options{
		Check: r.check, Compare: r.compare, Concurrency: o.Concurrency, Mercy: o.ReloadMercy, Log: log,
		Backoff: emperor.Backoff{
			Initial: o.Backoff, Max: o.BackoffMax, Reset: o.BackoffReset, Jitter: o.Life.Jitter, Limit: o.Life.MaxRestarts,
		},
		ChangePause: o.Life.ChangePause,
		Patience:    o.Life.ReloadTimeout, Heartbeat: o.Life.Heartbeat, CurseTolerance: o.Life.CurseTolerance,
		Broodlord: o.Life.Broodlord, Graceful: o.Life.Graceful,
	}
	if o.FlatBackoff {
		options.Backoff.Max = options.Backoff.Initial
	}
	if o.Life.WaitForCommand {
		options.Suspend = func(name string) bool { return !slices.Contains(o.Life.WaitIgnore, name) }
	}
	sockets, err := onDemand(o)
	sockets.Reads = files
	if err == nil && !sockets.None() {
		options.Activator = sockets
	}
	return options, err
}

// refusesRoot reports whether vassals must name a user: the emperor is root, and no vassal may
// be root by mistake.
func refusesRoot(o *config.Emperor) bool { return o.RefuseRoot && os.Geteuid() == 0 }

func onDemand(of *config.Emperor) (s emperor.Sockets, err error) {
	o := of.OnDemand
	s = emperor.Sockets{Extension: o.Extension, Directory: o.Directory, Exec: o.Exec, Mode: o.Mode, UID: -1, GID: -1}
	if o.Owner.Set {
		id, err := accounts.UID(o.Owner)
		if err != nil {
			return s, of.Blame("emperor-on-demand-owner", err)
		}
		s.UID = int(id)
	}
	if o.Group.Set {
		id, err := accounts.GID(o.Group)
		if err != nil {
			return s, of.Blame("emperor-on-demand-owner", err)
		}
		s.GID = int(id)
	}
	return s, nil
}

// rescan makes monitors rescan now, if they support it.
func rescan(monitors []monitor.Monitor) {
	for _, m := range monitors {
		if r, ok := m.(interface{ Rescan() }); ok {
			r.Rescan()
		}
	}
}

func handler(w io.Writer, o *config.Emperor, level slog.Leveler) slog.Handler {
	if o.JSONLog {
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
	}
	// The journal records time and level itself.
	toJournal, _ := journal.StderrIsJournalStream()
	return termlog.New(w, termlog.Options{Level: level, Time: !toJournal, Marks: toJournal, Prefix: "vassal"})
}

// programAt finds the program for vassals: the given one, or the one beside this program, or
// the one in PATH.
func programAt(named string) (string, error) {
	if named == "" {
		if self, err := os.Executable(); err == nil {
			named = filepath.Join(filepath.Dir(self), "vassal")
		}
		if _, err := exec.LookPath(named); err != nil {
			named = "vassal"
		}
	}
	path, err := exec.LookPath(named)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return "", fmt.Errorf("cannot find the vassal program: %w (install it beside emperor, or give --emperor-vassal)", err)
	}
	return path, nil
}
