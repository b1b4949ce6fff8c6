package emperord

import (
	"log/slog"
	"os"
	"slices"
	"sync"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/internal/assist/direct"
	"github.com/emperor-go/emperor/internal/environ"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/internal/turn"
	"github.com/emperor-go/emperor/internal/vassalfiles"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/emperor/ondemand"
	"github.com/emperor-go/emperor/pkg/emperor/process"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/wire"
)

// launcher translates the options of launches.
func launcher(g *gathered, observe func(hooks.Result)) *process.Launcher {
	o := g.input.options
	s := &process.Launcher{
		Programs: process.Programs{Vassal: g.programs.Main.Path, Open: g.programs, Wrappers: vassalfiles.Wrappers(o.Wrapping)},
		Environ:  process.Environment{Own: ownEnviron(), Passes: o.Pass.Has},
		Hooks: process.Hooks{
			Set: o.Hooks, Libraries: g.libraries, Timeout: o.HookTimeout, Shells: o.Around.Shells, Lookup: direct.Means().Lookup, Early: o.EarlyRelease,
			Observe: observe, Turns: turn.New(o.HookConcurrency),
		},
		Rights: process.Rights{RefuseRoot: refusesRoot(o), Capabilities: o.Capabilities.Given(), IDs: g.ids, InRange: inRange(o), Keyring: g.tools.keyring},
		Clone:  o.Clone, Cgroups: g.cgroups, Network: g.network, NotifyDir: g.sockets.notifyDir(), Ledger: g.ledger,
		Spawner: g.tools.spawner, Forker: g.tools.forker, Sweeper: g.tools.sweeper, Poller: g.tools.poller,
		Output: g.output, Reads: g.files, Templates: templates(o.Templates, g.files),
	}
	if o.Tyrant.On {
		s.Rights.Tenant = &wire.Tenant{Initgroups: o.Tyrant.Initgroups, Allow: o.Tyrant.Allow}
	}
	if g.tools.links != nil {
		s.Links, s.Sockets = g.tools.links, g.tools.sockets
	}
	s.Programs.Wrappers.Before, s.Programs.Wrappers.After = templateArgs(o.Templates)
	return s
}

// parts are the parts of an emperor beside its options.
type parts struct {
	monitors []monitor.Monitor
	launcher *process.Launcher
	readers  *readers
	files    *reads.Pool
	// inherited are vassals of an earlier emperor.
	inherited []emperor.Inherited
	killNow   <-chan struct{}
	observe   func(hooks.Result)
	log       *slog.Logger
}

// supervision returns the complete options of the loop, and prepares the readers of vassals'
// files for them.
func supervision(o *config.Emperor, p parts) (emperor.Options, error) {
	r, files, log := p.readers, p.files, p.log
	vassals := &reading{
		files: o.Templates, reads: files, waits: vassalfiles.HasOnDemand(o.OnDemand), held: r.held, allow: o.Allowed,
		spaces: spaces{o.Clone, o.IDs}, network: o.Network, limiting: o.Limiting,
		tyrant: tenants{o.Tyrant, vassalfiles.Finder{Emperor: o}.Owners(), p.launcher.NotifyDir}, cgroups: p.launcher.Cgroups, relaxed: &sync.Map{}, log: log,
	}
	vassals.attrs = append(slices.Clone(o.Wrapping.Collect), o.Wrapping.ProgramAttr, o.Wrapping.ChdirAttr)
	vassals.wraps = vassalfiles.Wrappers(o.Wrapping)
	vassals.capabilities = o.Capabilities.Given()
	vassals.refuseRoot, vassals.environ.own = refusesRoot(o), environ.OfVassals(os.Environ())
	if o.Tyrant.On {
		vassals.environ = split(vassals.environ.own, o.Pass.Has)
	}
	r.current.Store(vassals)
	options := emperor.Options{
		Monitors: p.monitors, Inherited: p.inherited, Launcher: p.launcher, WaitObserver: p.launcher, KillNow: p.killNow, Observe: p.observe,
		Check: r.check, Compare: r.compare, Concurrency: o.Concurrency, Mercy: o.ReloadMercy, Log: log,
		Backoff: emperor.Backoff{
			Initial: o.Backoff, Max: o.BackoffMax, Reset: o.BackoffReset, Jitter: o.Life.Jitter, Limit: o.Life.MaxRestarts,
		},
		ChangePause:   o.Life.ChangePause,
		ReloadTimeout: o.Life.ReloadTimeout, Heartbeat: o.Life.Heartbeat, CurseTolerance: o.Life.CurseTolerance,
		Broodlord: o.Life.Broodlord, Graceful: o.Life.Graceful,
	}
	if o.FlatBackoff {
		options.Backoff.Max = options.Backoff.Initial
	}
	if o.Tyrant.On {
		options.OwnerMax = o.Tyrant.Max
	}
	if o.Life.WaitForCommand {
		options.Suspend = func(name string) bool { return !slices.Contains(o.Life.WaitIgnore, name) }
	}
	sockets, err := onDemand(o, files)
	if err == nil && !sockets.None() {
		options.Activator = sockets
	}
	return options, err
}

// refusesRoot reports whether vassals must name a user: the emperor is root, and no vassal may
// be root by mistake.
func refusesRoot(o *config.Emperor) bool { return o.RefuseRoot && os.Geteuid() == 0 }

// onDemand translates the options of sockets that the emperor holds for vassals.
func onDemand(of *config.Emperor, files *reads.Pool) (s ondemand.Sockets, err error) {
	o := of.OnDemand
	s = ondemand.Sockets{Extension: o.Extension, Directory: o.Directory, Exec: o.Exec, Mode: o.Mode, UID: -1, GID: -1, Reads: files}
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
