// Package process launches vassals as processes: it implements emperor.Launcher, emperor.Process
// and emperor.WaitObserver.
package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/emperor-go/emperor/internal/assist"
	"github.com/emperor-go/emperor/internal/libexec"
	"github.com/emperor-go/emperor/internal/output"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/internal/turn"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/namespaces/bootlist"
	"github.com/emperor-go/emperor/pkg/wire"
)

// Launcher is the Launcher that makes real processes. Its fields are set before the first
// launch and not changed afterwards; a copy with other fields shares the rest.
type Launcher struct {
	// Program is the path of the vassal program. Required.
	Program string
	// Programs hold it and its companions open. Nil: each launch executes the file that is at Program then.
	Programs *libexec.Programs
	// Clone lists the new namespaces of each vassal.
	Clone namespaces.Flags
	// IDs gives a vassal the ids of its user namespace. The process that uses them is started before
	// release is called. Nil: see namespaces.Command.
	IDs func(r emperor.Request) (ids *namespaces.IDs, release func(), err error)
	// Hooks are the operator's; hooks of the as-vassal phase travel to the child.
	Hooks hooks.Set
	// Libraries are the C libraries for the hooks that travel to the child or into its
	// namespaces. With any, Program must be one that can load them.
	Libraries hooks.Libraries
	// HookTimeout bounds each hook. Zero: no bound.
	HookTimeout time.Duration
	// Shells are tried in order for commands, before /bin/sh.
	Shells []string
	// Lookup finds the addresses of hosts for hooks. Nil: see hooks.Runner.
	Lookup assist.Lookup
	// Early sends a vassal off before the as-emperor hooks run, as uWSGI does.
	// Otherwise it is parked until they are done.
	Early bool
	// RefuseRoot: a vassal that names no user does not start.
	RefuseRoot bool
	// Tenant are the rules for vassals of tenants, which run as the owners of their files. Nil: no vassal
	// does.
	Tenant *wire.Tenant
	// Capabilities are all that vassals can have. Nil: no limit.
	Capabilities *namespaces.Capabilities
	// Environ is the environment of the emperor, which its hooks have.
	Environ []string
	// Passes reports whether vassals get a variable of it. Nil: they get all that is not
	// for one process.
	Passes func(name string) bool
	// Keyring: each vassal gets a session keyring of its own.
	Keyring bool
	// Spawner clones. Required.
	Spawner *namespaces.Spawner
	// Forker starts vassals that need no program of ours. Nil: the vassal program starts all.
	Forker *bootlist.Forker
	// Sockets makes the unix sockets of vassals with networks of their own. Nil: they make them, and no socket
	// outlives their process.
	Sockets *namespaces.SocketMaker
	// Sweeper deletes the links that hooks have made. Nil: each vassal's by itself.
	Sweeper *namespaces.Sweeper
	// Links watches the links that hooks have made. Nil: a lost one is not reported.
	Links LinkWatcher
	// Network connects vassals whose plans ask for it, before their hooks. Nil: none.
	Network emperor.Network
	// Ledger records resources that a killed emperor would leave behind. Nil: no record.
	Ledger *Ledger
	// Poller receives messages of vassals. Required.
	Poller *Poller
	// Wrappers are programs of the operator that replace vassals, such as
	// uwsgi.
	Wrappers Wrappers
	// Templates reads the texts around the configuration of vassals whose working
	// directory is dir, anew for each launch. Nil: nothing does.
	Templates func(dir string) (*wire.Templates, error)
	// NotifyDir is where each generation gets a socket for sd_notify(3). Empty:
	// nowhere.
	NotifyDir string
	// Observe is called with the result of each hook of the emperor's start. Nil: no call.
	Observe func(hooks.Result)
	// Turns orders the hooks of different vassals in this process. Nil: they run at the
	// same time.
	Turns *turn.Line
	// Output takes the output of vassals. Nil: their logs do.
	Output *output.Hub
	// Reads bounds looks at files. Required.
	Reads *reads.Pool
	// Cgroups is where each generation gets a cgroup of its own. Nil: nowhere.
	Cgroups *namespaces.CgroupRoot
}

// Launch implements Launcher: hooks before, clone, network, hooks after, order.
func (l *Launcher) Launch(ctx context.Context, r emperor.Request) (emperor.Process, error) {
	plan := *r.Plan // it is shared with the loop
	plan.Config = l.located(plan.Config)
	r.Plan = &plan
	r.Unbound = unbound(l, r)
	defer r.Unbound.Close()
	c, err := l.launch(ctx, r)
	if err != nil {
		l.launchFailed(ctx, r)
		return nil, err
	}
	return c, nil
}

func (l *Launcher) launch(ctx context.Context, r emperor.Request) (_ *child, err error) {
	dir, err := l.enterable(ctx, r.Config.Dir)
	if err != nil {
		return nil, err
	}
	if r.Templates, err = l.templates(r); err != nil {
		return nil, err
	}
	if len(l.hooks(r, hooks.AsEmperorBeforeVassal)) > 0 {
		if err := l.hooksBeforeClone(ctx, r); err != nil {
			return nil, err
		}
		dir = l.workingDirectory(r) // they may have taken long
	}
	began := time.Now()
	c, err := l.clone(ctx, r, dir)
	if err != nil {
		return nil, err
	}
	c.took("clone", began)
	if err = c.makeDirectories(); err == nil {
		began = time.Now()
		err = l.connect(ctx, c, r)
	}
	if c.connection != nil {
		c.took("network", began)
	}
	if err == nil {
		err = l.release(ctx, c, r)
	}
	if err != nil {
		c.abandon()
		return nil, err
	}
	return c, nil
}

// release runs the as-emperor hooks and gives the order, in the order of time
// that the operator chose.
func (l *Launcher) release(ctx context.Context, c *child, r emperor.Request) error {
	if !l.Early {
		if err := l.hooksAfterClone(ctx, r, c); err != nil {
			return err
		}
	}
	c.rememberCgroup(c.movedByHooks())
	if err := l.order(c, r); err != nil {
		return l.orderError(c, err)
	}
	c.life = life{launcher: l, about: r, since: time.Now()}
	if l.Early {
		c.life.early = startCompanion(func(ctx context.Context) { l.lateHooks(ctx, r, c) })
	}
	return nil
}

// order sends the first order.
func (l *Launcher) order(c *child, r emperor.Request) error {
	if c.boot.list != nil {
		return c.ends.orders.Release()
	}
	o := l.orderFor(c, r)
	trees, err := c.mapOwners(&o)
	if err != nil {
		return err
	}
	defer closeAll(trees)
	o.Sockets = slices.Concat(r.Kept, r.Unbound) // of this order only: they are closed after the launch
	return c.ends.orders.SendOrder(o)
}

// orderError returns the reason why a child took no order: if it is dead, its exit status is more useful than
// that its end of the channel is closed.
func (l *Launcher) orderError(c *child, err error) error {
	if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		return err
	}
	status, dead := c.resources.process.DiedWithin(dyingTime)
	if !dead {
		return fmt.Errorf("%q has closed the channel for its order: %w (is it the vassal program?)", l.Program, err)
	}
	return fmt.Errorf("%q ended before it took its order: %v (%s)", l.Program, status, hintWhole)
}

// hintWhole is about a program of ours that cannot be executed.
const hintWhole = "is the file whole, and the vassal program of this version?"

// cloneError adds to the error of a clone a hint to its cause.
func (l *Launcher) cloneError(err error) error {
	hint := ""
	switch {
	case errors.Is(err, syscall.EPERM) && os.Geteuid() != 0:
		hint = " (new namespaces need root, or user among emperor-use-clone)"
	case errors.Is(err, syscall.ENOEXEC):
		hint = " (" + hintWhole + ")"
	}
	return fmt.Errorf("cannot clone %q: %w%s", l.Program, err, hint)
}

// lateHooks runs the as-emperor hooks beside a vassal that boots already. The failure of
// one that is fatal can only end it.
func (l *Launcher) lateHooks(ctx context.Context, r emperor.Request, c *child) {
	if err := l.hooksAfterClone(ctx, r, c); err != nil && ctx.Err() == nil {
		r.Log.Error("the vassal is ended", "error", err)
		c.end()
	}
}

func (l *Launcher) orderFor(c *child, r emperor.Request) wire.Order {
	if c.boot.sole() {
		return c.boot.order(r.Direct)
	}
	o := wire.Order{
		Serial: 1, Name: []byte(r.Config.Name), Path: []byte(r.Config.Path), Dir: []byte(r.Config.Dir), Config: r.Config.Data,
		Templates: r.Templates, Namespaces: (l.Clone &^ (c.guest.joined & namespaces.NewMount)).String(), RefuseRoot: l.RefuseRoot, Capabilities: l.Capabilities,
		Caged: c.resources.cgroup != nil, OwnIDs: l.IDs != nil,
		Trial: r.Trial, UID: r.Config.UID, GID: r.Config.GID, Hooks: l.childHooks(r), Shells: l.Shells, HookTimeout: l.HookTimeout,
	}
	o.Tenant = l.tenantOf(r)
	o.FileSystem, o.Proc = r.Files.System, r.Files.Proc
	if l.IDs != nil {
		o.FileSystem = followed(o.FileSystem, l.Reads)
	}
	o.Program = l.programFor(*r.Plan)
	o.Libraries, o.LibraryDirs = l.Libraries.Plugins, l.Libraries.Dirs
	if len(o.Hooks) > 0 {
		o.HookVars = bytesOf(l.vassalVars(r, l.workingDirectory(r), c.PID()))
	}
	if a := c.Attachment(); a != nil {
		o.NetworkVars, o.Mounts = bytesOf(a.Vars()), a.Mounts
	}
	o.Environ = bytesOf(l.heldBack(*r.Plan, len(o.Hooks) > 0))
	return o
}

// tenantOf returns the rules for the vassal of a tenant; nil: it is the operator's. The owner decides, whatever
// a check has found.
func (l *Launcher) tenantOf(r emperor.Request) *wire.Tenant {
	if !monitor.Tenant(r.Config.UID) {
		return nil
	}
	return l.Tenant
}

// clone makes the child with its channels, in a working directory. It is parked when clone
// returns.
func (l *Launcher) clone(ctx context.Context, r emperor.Request, dir string) (_ *child, err error) {
	c := &child{resources: resources{log: r.Log, request: r, launcher: l}, tree: l.Clone.Has(namespaces.NewPID)}
	c.dead, c.protocol.known, c.protocol.notified = make(chan struct{}), make(chan struct{}), make(chan struct{})
	c.protocol.current.Store(r.Plan)
	defer func() {
		if err != nil {
			_ = c.resources.clearCgroup()
			c.close()
		}
	}()
	spawner, clone := l.Spawner, l.Clone
	if r.Joins() || r.Guest.Elsewhere() {
		if c.guest, err = guestOf(ctx, l, r); err != nil {
			return nil, err
		}
		spawner, clone = c.guest.spawner, clone&^c.guest.joined
		c.tree = clone.Has(namespaces.NewPID)
	}
	ends, err := c.connect()
	defer func() { closeAll(ends) }()
	if err != nil {
		return nil, fmt.Errorf("cannot connect to the vassal: %w", err)
	}
	if l.NotifyDir != "" {
		// A full disk does not prevent the start: the vassal may never send a notification.
		if c.ends.notify, err = newNotify(l.NotifyDir); err != nil {
			r.Log.Warn("there is no socket for sd_notify", "error", err)
		}
	}
	cgroup := 0
	if l.Cgroups != nil {
		if err = c.resources.enclose(); err != nil {
			return nil, err
		}
		cgroup = c.resources.cgroup.FD()
	}
	if err = (birth{c, r, spawner, clone, dir, ends}).begin(ctx, cgroup); err != nil {
		return nil, err
	}
	c.resources.openEntry()
	return c, nil
}

// Confines reports whether a process is a vassal's, as far as that is certain: by its
// cgroup, or where there are none by its pid namespace.
func (l *Launcher) Confines(c *namespaces.Caller) (bool, error) {
	switch {
	case l.Cgroups != nil:
		return l.Cgroups.Holds(c, vassalCgroup)
	case l.Clone.Has(namespaces.NewPID):
		ours, err := c.Shares(namespaces.NewPID)
		return !ours, err
	}
	return false, nil
}

// took records a part of the launch that ends now.
func (c *child) took(name string, began time.Time) {
	c.steps = append(c.steps, emperor.LaunchStep{Name: name, Began: began, Ended: time.Now()})
}

// LaunchSteps are the parts of its launch, without hooks. The result must not be changed.
func (c *child) LaunchSteps() []emperor.LaunchStep { return c.steps }
