package emperor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/emperor-go/emperor/internal/output"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/internal/turn"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// System is the Launcher that makes real processes. Its fields are set before the first
// launch and not changed afterwards; a copy with other fields shares the rest.
type System struct {
	// Program is the path of the vassal program. Required.
	Program string
	// Clone lists the new namespaces of each vassal.
	Clone namespaces.Flags
	// Hooks are the operator's; hooks of the as-vassal phase travel to the child.
	Hooks hooks.Set
	// Libraries are the C libraries for the hooks that travel to the child or into its
	// namespaces. With any, Program must be one that can load them.
	Libraries hooks.Libraries
	// HookTimeout bounds each hook. Zero: no bound.
	HookTimeout time.Duration
	// Shells are tried in order for commands, before /bin/sh.
	Shells []string
	// Early sends a vassal off before the as-emperor hooks run, as uWSGI does.
	// Otherwise it is parked until they are done.
	Early bool
	// RefuseRoot: a vassal that names no user does not start.
	RefuseRoot bool
	// Environ is the environment of the emperor, which its hooks have.
	Environ []string
	// Passes reports whether vassals get a variable of it. Nil: they get all that is not
	// for one process.
	Passes func(name string) bool
	// Keyring: each vassal gets a session keyring of its own.
	Keyring bool
	// Spawner clones. Required.
	Spawner *namespaces.Spawner
	// Sweeper deletes the links that hooks have made. Nil: each vassal's by itself.
	Sweeper *namespaces.Sweeper
	// Ledger has what a killed emperor would leave behind. Nil: nothing does.
	Ledger *Ledger
	// Ears hear vassals. Required.
	Ears *Ears
	// Foreign says how vassals become another program of the operator's, such as
	// uwsgi.
	Foreign Foreign
	// Templates reads what stands around the configuration of vassals whose working
	// directory is dir, anew for each launch. Nil: nothing does.
	Templates func(dir string) (*wire.Templates, error)
	// NotifyDir is where each generation gets a socket for sd_notify(3). Empty:
	// nowhere.
	NotifyDir string
	// Observe is told of each hook of the emperor's start that has run. Nil: nobody.
	Observe func(hooks.Result)
	// Turns orders the hooks of different vassals before the clone, after it and after
	// the end. Nil: they run at the same time.
	Turns *turn.Line
	// Output takes what vassals print. Nil: their logs do.
	Output *output.Hub
	// Reads bounds looks at files. Required.
	Reads *reads.Pool
	// Cgroups is where each generation gets a cgroup of its own. Nil: nowhere.
	Cgroups *namespaces.CgroupRoot
}

// Launch implements Launcher: hooks before, clone, hooks after, order.
func (s *System) Launch(ctx context.Context, r Request) (Process, error) {
	r.Config = s.located(r.Config)
	c, err := s.launch(ctx, r)
	if err != nil {
		s.miscarried(ctx, r)
		return nil, err
	}
	return c, nil
}

func (s *System) launch(ctx context.Context, r Request) (_ *child, err error) {
	dir, err := s.enterable(ctx, r.Config.Dir)
	if err != nil {
		return nil, err
	}
	if r.Templates, err = s.templates(r); err != nil {
		return nil, err
	}
	if len(s.hooks(r, hooks.AsEmperorBeforeVassal)) > 0 {
		if err := s.before(ctx, r); err != nil {
			return nil, err
		}
		dir = s.workingDirectory(r) // they may have taken long
	}
	c, err := s.clone(r, dir)
	if err != nil {
		return nil, err
	}
	if err := s.release(ctx, c, r); err != nil {
		c.abandon()
		return nil, err
	}
	return c, nil
}

// release runs the as-emperor hooks and gives the order, in the order of time
// that the operator chose.
func (s *System) release(ctx context.Context, c *child, r Request) error {
	if !s.Early {
		if err := s.beside(ctx, r, c); err != nil {
			return err
		}
	}
	c.noteMemory()
	o := s.orderFor(c, r)
	o.Sockets = r.Kept // of this order only: they are closed after the launch
	if err := c.orders.SendOrder(o); err != nil {
		return s.unordered(c, err)
	}
	c.life = life{system: s, about: r, since: time.Now()}
	if s.Early {
		c.life.early = accompany(func(ctx context.Context) { s.late(ctx, r, c) })
	}
	return nil
}

// unordered says why a child took no order: if it is dead, how it ended says more than
// that its end of the channel is closed.
func (s *System) unordered(c *child, err error) error {
	if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		return err
	}
	status, dead := c.process.DiedWithin(agony)
	if !dead {
		return fmt.Errorf("%q has closed the channel for its order: %w (is it the vassal program?)", s.Program, err)
	}
	return fmt.Errorf("%q ended before it took its order: %v (%s)", s.Program, status, hintWhole)
}

// hintWhole is about a program of ours that cannot be executed.
const hintWhole = "is the file whole, and the vassal program of this version?"

// uncloned says why there is no child.
func (s *System) uncloned(err error) error {
	hint := ""
	switch {
	case errors.Is(err, syscall.EPERM) && os.Geteuid() != 0:
		hint = " (new namespaces need root, or user among emperor-use-clone)"
	case errors.Is(err, syscall.ENOEXEC):
		hint = " (" + hintWhole + ")"
	}
	return fmt.Errorf("cannot clone %q: %w%s", s.Program, err, hint)
}

// late runs the as-emperor hooks beside a vassal that boots already. The failure of
// one that is fatal can only end it.
func (s *System) late(ctx context.Context, r Request, c *child) {
	if err := s.beside(ctx, r, c); err != nil && ctx.Err() == nil {
		r.Log.Error("the vassal is ended", "error", err)
		c.end()
	}
}

func (s *System) orderFor(c *child, r Request) wire.Order {
	o := wire.Order{
		Serial: 1, Name: []byte(r.Config.Name), Path: []byte(r.Config.Path), Dir: []byte(r.Config.Dir), Config: r.Config.Data,
		Templates: r.Templates, Namespaces: s.Clone.String(), RefuseRoot: s.RefuseRoot, Caged: c.cgroup != nil,
		Trial: r.Trial, UID: r.Config.UID, GID: r.Config.GID, Hooks: s.childHooks(r), Shells: s.Shells, HookTimeout: s.HookTimeout,
	}
	o.Program = s.programFor(r.Plan)
	for _, p := range s.Libraries.Plugins {
		o.Libraries = append(o.Libraries, wire.Library(p))
	}
	o.LibraryDirs = s.Libraries.Dirs
	if len(o.Hooks) > 0 {
		o.HookVars = bytesOf(s.vassalVars(r, s.workingDirectory(r), c.PID()))
	}
	o.Environ = bytesOf(s.heldBack(r.Plan, len(o.Hooks) > 0))
	return o
}

// clone makes the child with its channels, in a working directory. It is parked when clone
// returns.
func (s *System) clone(r Request, dir string) (_ *child, err error) {
	c := &child{log: r.Log, tree: s.Clone.Has(namespaces.NewPID), request: r, system: s}
	c.dead, c.shown, c.notified = make(chan struct{}), make(chan struct{}), make(chan struct{})
	c.current.Store(&r.Plan)
	defer func() {
		if err != nil {
			_ = c.clearCgroup()
			c.close()
		}
	}()
	ends, err := c.connect()
	defer func() { closeAll(ends) }()
	if err != nil {
		return nil, fmt.Errorf("cannot connect to the vassal: %w", err)
	}
	env := append(s.vassalEnviron(), termlog.MarksEnv+"=1")
	if s.NotifyDir != "" {
		// A full disk is no reason not to start what may never notify anybody.
		if c.notify, err = newNotify(s.NotifyDir); err != nil {
			r.Log.Warn("there is no socket for sd_notify", "error", err)
		} else {
			env = append(env, "NOTIFY_SOCKET="+c.notify.path)
		}
	}
	command := namespaces.Command{
		Path: s.Program, Args: []string{filepath.Base(s.Program), "--ini", r.Config.Name}, Env: env,
		Dir: dir, Files: ends, Namespaces: s.Clone, Deathsig: deathSignal, Keyring: s.Keyring,
	}
	if s.Cgroups != nil {
		if c.cgroup, err = s.Cgroups.Create(fmt.Sprintf("%s%s.%d", vassalCgroup, r.Config.Name, r.Generation)); err != nil {
			return nil, fmt.Errorf("cannot make a cgroup: %w", err)
		}
		command.CgroupFD = c.cgroup.FD()
	}
	if c.process, err = s.Spawner.Start(command); err != nil {
		return nil, s.uncloned(err)
	}
	c.openPage()
	return c, nil
}

// vassalCgroup begins the names of vassals' cgroups. The names of hooks' cgroups begin otherwise.
const vassalCgroup = "vassal."

// Confines reports whether a process is a vassal's, as far as that is certain: by its
// cgroup, or where there are none by its pid namespace.
func (s *System) Confines(c *namespaces.Caller) (bool, error) {
	switch {
	case s.Cgroups != nil:
		return s.Cgroups.Holds(c, vassalCgroup)
	case s.Clone.Has(namespaces.NewPID):
		ours, err := c.Shares(namespaces.NewPID)
		return !ours, err
	}
	return false, nil
}
