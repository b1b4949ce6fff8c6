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

	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// Launch implements Launcher: hooks before, clone, network, hooks after, order.
func (l *Launcher) Launch(ctx context.Context, r emperor.Request) (emperor.Process, error) {
	in := l.find(ctx, r.Plan.Config)
	if in.config.Path != r.Path || in.config.Dir != r.Dir {
		plan := *r.Plan // it is shared with the loop
		plan.Config, r.Plan = in.config, &plan
	}
	r.Unbound = unbound(l, r)
	defer r.Unbound.Close()
	c, err := l.launch(ctx, r, in)
	if err != nil {
		l.launchFailed(ctx, r)
		return nil, err
	}
	return c, nil
}

func (l *Launcher) launch(ctx context.Context, r emperor.Request, in place) (_ *child, err error) {
	if in.err != nil {
		return nil, in.err
	}
	dir := in.dir
	if r.Templates, err = l.templates(r); err != nil {
		return nil, err
	}
	if len(l.Hooks.of(r, hooks.AsEmperorBeforeVassal)) > 0 {
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
	if !l.Hooks.Early {
		if err := l.hooksAfterClone(ctx, r, c); err != nil {
			return err
		}
	}
	c.rememberCgroup(c.movedByHooks())
	if err := l.order(c, r); err != nil {
		return l.orderError(c, err)
	}
	c.life = life{launcher: l, about: r, since: time.Now()}
	if l.Hooks.Early {
		c.life.early = startCompanion(func(ctx context.Context) { l.lateHooks(ctx, r, c) })
	}
	return nil
}

// order sends the first order.
func (l *Launcher) order(c *child, r emperor.Request) error {
	if c.boot.direct() {
		if err := c.boot.fits(c.Attachment()); err != nil {
			return err
		}
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
		return fmt.Errorf("%q has closed the channel for its order: %w (is it the vassal program?)", l.Programs.Vassal, err)
	}
	return fmt.Errorf("%q ended before it took its order: %v (%s)", l.Programs.Vassal, status, hintWhole)
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
	return fmt.Errorf("cannot clone %q: %w%s", l.Programs.Vassal, err, hint)
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
		Templates: r.Templates, Namespaces: (l.Clone &^ (c.guest.joined & namespaces.NewMount)).String(), RefuseRoot: l.Rights.RefuseRoot, Capabilities: l.Rights.Capabilities,
		Caged: c.resources.cgroup != nil, OwnIDs: l.Rights.IDs != nil,
		Trial: r.Trial, UID: r.Config.UID, GID: r.Config.GID, Hooks: l.Hooks.sent(r), Shells: l.Hooks.Shells, HookTimeout: l.Hooks.Timeout,
	}
	o.Tenant = l.tenantOf(r)
	if r.Filtered.Path != "" {
		o.Profile = &wire.Profile{Path: r.Filtered.Path, Code: r.Filtered.Code}
	}
	o.FileSystem, o.Proc = r.Files.System, r.Files.Proc
	if l.Rights.IDs != nil {
		o.FileSystem = followed(o.FileSystem, l.Reads)
	}
	o.Program = l.programFor(*r.Plan)
	o.Libraries, o.LibraryDirs = l.Hooks.Libraries.Plugins, l.Hooks.Libraries.Dirs
	if len(o.Hooks) > 0 {
		o.HookVars = bytesOf(l.vassalVars(r, l.workingDirectory(r), c.PID()))
	}
	if a := c.Attachment(); a != nil {
		o.NetworkVars, o.Mounts = bytesOf(a.Vars()), a.Mounts
	}
	o.Environ = bytesOf(l.Environ.heldBack(*r.Plan, len(o.Hooks) > 0))
	return o
}

// tenantOf returns the rules for the vassal of a tenant; nil: it is the operator's. The owner decides, whatever
// a check has found.
func (l *Launcher) tenantOf(r emperor.Request) *wire.Tenant {
	if !monitor.Tenant(r.Config.UID) {
		return nil
	}
	return l.Rights.Tenant
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
