package process

import (
	"context"
	"slices"
	"time"

	"github.com/emperor-go/emperor/internal/assist"
	"github.com/emperor-go/emperor/internal/libexec"
	"github.com/emperor-go/emperor/internal/output"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/internal/turn"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/namespaces/bootlist"
	"github.com/emperor-go/emperor/pkg/wire"
)

// Launcher is the Launcher that makes real processes. Its fields are set before the first
// launch and not changed afterwards; a copy with other fields shares the rest.
type Launcher struct {
	// Programs run inside: the vassal program, and programs that replace it.
	Programs Programs
	// Environ decides which variables the emperor's hooks and vassals get.
	Environ Environment
	// Hooks are the operator's.
	Hooks Hooks
	// Rights limit what vassals may be.
	Rights Rights
	// Clone lists the new namespaces of each vassal.
	Clone namespaces.Flags
	// Spawner clones. Required.
	Spawner *namespaces.Spawner
	// Forker starts vassals that need no program of ours. Nil: the vassal program starts all.
	Forker *bootlist.Forker
	// Cgroups is where each generation gets a cgroup of its own. Nil: nowhere.
	Cgroups *namespaces.CgroupRoot
	// Network connects vassals whose plans ask for it, before their hooks. Nil: none.
	Network emperor.Network
	// Sockets makes the unix sockets of vassals with networks of their own. Nil: they make them, and no socket
	// outlives their process.
	Sockets *namespaces.SocketMaker
	// Sweeper deletes the links that hooks have made. Nil: each vassal's by itself.
	Sweeper *namespaces.Sweeper
	// Links watches the links that hooks have made. Nil: a lost one is not reported.
	Links LinkWatcher
	// Ledger records resources that a killed emperor would leave behind. Nil: no record.
	Ledger *Ledger
	// Poller receives messages of vassals. Required.
	Poller *Poller
	// NotifyDir is where each generation gets a socket for sd_notify(3). Empty:
	// nowhere.
	NotifyDir string
	// Output takes the output of vassals. Nil: their logs do.
	Output *output.Hub
	// Templates reads the texts around the configuration of vassals whose working
	// directory is dir, anew for each launch. Nil: nothing does.
	Templates func(dir string) (*wire.Templates, error)
	// Reads bounds looks at files. Required.
	Reads *reads.Pool
}

// Programs are the programs that a Launcher executes inside.
type Programs struct {
	// Vassal is the path of the vassal program. Required.
	Vassal string
	// Open holds it and its companions open. Nil: each launch executes the file that is at the path then.
	Open *libexec.Programs
	// Wrappers are programs of the operator that replace vassals, such as uwsgi.
	Wrappers Wrappers
}

// at returns the path by which the vassal program is executed.
func (p Programs) at() string { return p.Open.At(p.Vassal) }

// Rights limit the rights of vassals.
type Rights struct {
	// RefuseRoot: a vassal that names no user does not start.
	RefuseRoot bool
	// Tenant are the rules for vassals of tenants, which run as the owners of their files. Nil: no vassal
	// does.
	Tenant *wire.Tenant
	// Capabilities are all that vassals can have. Nil: no limit.
	Capabilities *namespaces.Capabilities
	// IDs gives a vassal the ids of its user namespace. The process that uses them is started before
	// release is called. Nil: see namespaces.Command.
	IDs func(r emperor.Request) (ids *namespaces.IDs, release func(), err error)
	// InRange reports whether an id is among the ids of IDs, which also own the user namespaces. Nil: none is.
	InRange func(id uint32) bool
	// Keyring: each vassal gets a session keyring of its own.
	Keyring bool
}

// Hooks are the hooks of the operator, and how hooks run.
type Hooks struct {
	// Set has them by phase; hooks of the as-vassal phase travel to the child.
	Set hooks.Set
	// Libraries are the C libraries for the hooks that travel to the child or into its
	// namespaces. With any, the vassal program must be one that can load them.
	Libraries hooks.Libraries
	// Timeout bounds each hook. Zero: no bound.
	Timeout time.Duration
	// Shells are tried in order for commands, before /bin/sh.
	Shells []string
	// Lookup finds the addresses of hosts for hooks. Nil: see hooks.Runner.
	Lookup assist.Lookup
	// Early sends a vassal off before the as-emperor hooks run, as uWSGI does.
	// Otherwise it is parked until they are done.
	Early bool
	// Observe is called with the result of each hook of the emperor's start. Nil: no call.
	Observe func(hooks.Result)
	// Turns orders the hooks of different vassals in this process. Nil: they run at the
	// same time.
	Turns *turn.Line
}

// of returns the hooks of one phase for a vassal: the operator's, then the vassal's own.
func (h *Hooks) of(r emperor.Request, p hooks.Phase) []hooks.Hook {
	return append(slices.Clip(h.Set[p]), r.Plan.Hooks[p]...)
}

// sent returns the hooks that are sent to the child, in the order they run.
func (h *Hooks) sent(r emperor.Request) (list []hooks.Spec) {
	for _, p := range []hooks.Phase{hooks.AsVassalBeforeDrop, hooks.VassalsStart, hooks.AsVassal} {
		for _, hook := range h.of(r, p) {
			list = append(list, hook.Spec())
		}
	}
	return list
}

// inTurn calls run when it is the vassal's turn to run that many hooks of a phase: the lists
// of different vassals run one after the other, in the order of launches. uWSGI does the same,
// and operators' scripts rely on it. It returns the error of run, or ctx's error when that
// ends first.
func (h *Hooks) inTurn(ctx context.Context, r emperor.Request, count int, run func() error) error {
	if h.Turns == nil || count == 0 {
		return run()
	}
	done, err := h.Turns.Take(ctx, r.Order)
	if err != nil {
		return err
	}
	defer done()
	return run()
}
