package vassal

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/programs"
	"github.com/emperor-go/emperor/internal/sockets"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/vassal/workers"
	"github.com/emperor-go/emperor/pkg/wire"
)

// planOf is what the options want of the master, with sockets that are bound.
func (v *Vassal) planOf(o *config.Vassal, sets [][]*sockets.Socket) (*workers.Plan, error) {
	program, err := v.programOf(o)
	if err != nil {
		return nil, err
	}
	env, err := v.environment(o)
	if err != nil {
		return nil, err
	}
	front, sets, err := v.frontOf(o, sets)
	if err != nil {
		return nil, err
	}
	proof := proofTime
	if program == nil || program.Server != nil { // it is ours
		proof = 0
	}
	return &workers.Plan{
		StopFirst: o.ReloadOrder() == config.StopFirst, Proof: proof,
		Program: program, Front: front, Sockets: sets, Env: env, Dir: v.directoryOf(o), Workers: o.Workers, Mercy: o.ReloadMercy, Ready: o.Ready,
		Terminal: v.terminalOf(o), Triggers: o.Triggers, Idle: o.Idle, Daemons: o.Daemons, Limits: o.Limits, Shells: o.Around.Shells, Hooks: o.Hooks,
		RunHooks: func(p hooks.Phase, file string) func() error { return v.phase(o, p, file) },
	}, nil
}

// proofTime is how long a worker of a reload must live after its readiness for that to count:
// programs say that they are ready, or are executed, before they find out that they cannot
// go on.
const proofTime = time.Second

// programOf finds what workers run: the operator's command, the program that
// takes a socket as standard input, the built-in server, or nothing.
func (v *Vassal) programOf(o *config.Vassal) (*workers.Program, error) {
	p := &workers.Program{HookTimeout: o.HookTimeout, Shells: o.Around.Shells, PostFork: o.Hooks[hooks.PostFork], Libraries: o.Around.Libraries, Limits: o.Limits}
	if v.orders != nil {
		p.Notices = v.orders.FD()
	}
	name := ""
	switch {
	case len(o.Command) > 0:
		name, p.Args = o.Command[0], o.Command
	case len(o.Workers.Exec) > 0:
		name, p.Args, p.Stdin = o.Workers.Exec[0], o.Workers.Exec, true
		if !o.Workers.ExecHooks {
			p.PostFork = nil
		}
	case o.Server.Serves():
		return v.serverOf(o, p)
	case o.Server.NeedApp:
		return nil, errNoApp
	default:
		return nil, nil
	}
	var err error
	if p.Path, err = programs.Find(name); err != nil {
		return nil, blameAny(o, fmt.Errorf("cannot run %q: %w", p.Args[0], err), "command", "worker-exec2", "worker-exec")
	}
	return p, nil
}

// serverOf makes a program the built-in server.
func (v *Vassal) serverOf(o *config.Vassal, p *workers.Program) (_ *workers.Program, err error) {
	p.Args, p.Server, p.Limits = []string{serverName}, &o.Server, config.Limits{}
	if p.Path, err = programs.Find(v.ServerProgram); err != nil {
		return nil, fmt.Errorf("cannot run %q: %w", p.Args[0], err)
	}
	return p, nil
}

var errNoApp = errors.New("need-app: there is nothing to serve")

// reread reads the options of a reload: of an order with other bytes, or, for nil, of
// the file as it is now where no emperor gave an order. It touches nothing that changes
// while a vassal serves, but for the end of a reload. prepare makes the plan of them.
func (v *Vassal) reread(order *wire.Order) (prepare func() (*workers.Plan, error)) {
	o, err := v.read(order)
	return func() (*workers.Plan, error) {
		if err != nil {
			return nil, err
		}
		return v.prepare(order, o)
	}
}

// prepare makes the plan of a reload with other options.
func (v *Vassal) prepare(order *wire.Order, o *config.Vassal) (*workers.Plan, error) {
	if err := v.allows(order, o); err != nil {
		return nil, err
	}
	if o.Triggers.Exit { // before its sockets are bound: the old program may have the port
		return nil, fmt.Errorf("%w: exit-on-reload", workers.ErrAnew)
	}
	if what, asked := wantsNative(o); asked && !hooks.IsNative {
		return nil, fmt.Errorf("%w: %s needs C functions", workers.ErrAnew, what)
	}
	sets, made, err := v.bindSets(o, v.sets)
	if errors.Is(err, unix.EADDRINUSE) && (crowded(distinct(v.sets), o.Sockets) || occupied(o.Sockets)) {
		return nil, fmt.Errorf("%w: %w", workers.ErrAnew, err)
	}
	if err != nil {
		return nil, err
	}
	p, err := v.planOf(o, sets)
	if err != nil {
		closeAll(made)
		return nil, err
	}
	if s := givenUp(v.sets, sets); s != nil && !o.HandsOver() {
		closeAll(made)
		return nil, fmt.Errorf("%w: a program may bind %s itself", workers.ErrAnew, s.Address)
	}
	p.Unchanged = v.resumed == nil && len(config.Diff(v.options, o)) == 0
	p.Commit = func() { v.commit(order, o, sets) }
	p.Discard = func() { closeAll(made) }
	return p, nil
}

// crowded reports whether sockets that are there keep some that are wanted from being
// bound.
func crowded(have []*sockets.Socket, wanted []config.Socket) bool {
	return slices.ContainsFunc(wanted, func(w config.Socket) bool {
		return slices.ContainsFunc(have, func(s *sockets.Socket) bool { return s.Address != w.Address && s.Crowds(w.Address) })
	})
}

// givenUp returns a socket of clients that is not among the ones that a reload keeps; nil:
// there is none. It stays bound until the reload has succeeded.
func givenUp(have, kept [][]*sockets.Socket) *sockets.Socket {
	keeps := distinct(kept)
	for _, s := range distinct(have) {
		if s.Front() == nil && !slices.Contains(keeps, s) {
			return s
		}
	}
	return nil
}

// occupied reports whether a process that this vassal has started listens on a port that is
// wanted: its end frees the port.
func occupied(wanted []config.Socket) bool {
	for _, w := range wanted {
		a, err := address.Parse(w.Address)
		if err != nil || a.Path != "" || a.Port == 0 {
			continue
		}
		inodes, err := namespaces.Listeners(a.Port)
		if own, _ := namespaces.HasSocket(os.Getpid(), inodes...); err != nil || own {
			continue
		}
		for _, pid := range namespaces.Tree(os.Getpid()) {
			if has, _ := namespaces.HasSocket(pid, inodes...); has {
				return true
			}
		}
	}
	return false
}

// read parses the bytes of an order, or of the one in effect, or what is given on
// the command line.
func (v *Vassal) read(order *wire.Order) (*config.Vassal, error) {
	if order == nil {
		order = v.order
	}
	o, warnings, err := v.parsed(order)
	for _, w := range warnings {
		v.Log.Warn(w.Error())
	}
	if err == nil && order != nil && order.RefuseRoot && os.Geteuid() == 0 {
		if p, ok := o.Unnamed(v.fileOf(order)); ok {
			return nil, config.Problems{p}
		}
	}
	return o, err
}

// allows names the options whose change a running vassal cannot take. Under an
// emperor that is the emperor's to see, but for a vassal that runs on its fallback:
// the emperor does not know what that says.
func (v *Vassal) allows(order *wire.Order, o *config.Vassal) error {
	if order != nil && v.resumed == nil {
		return nil
	}
	for _, d := range config.Diff(v.options, o) {
		switch {
		case d.Change != config.Respawn || d.Option == "fallback-config":
		case order != nil:
			return fmt.Errorf("%w: %s is different in the fallback", workers.ErrAnew, d.Option)
		default:
			v.Log.Warn("the change takes effect when the vassal is started again", "option", d.Option)
		}
	}
	return nil
}

// commit makes a reload the state of affairs.
func (v *Vassal) commit(order *wire.Order, o *config.Vassal, sets [][]*sockets.Socket) {
	before, kept := distinct(v.sets), distinct(sets)
	for _, s := range before {
		if !slices.Contains(kept, s) {
			if s.Front() == nil {
				v.Log.Info("not listening any more", s.Name, s.Address)
			}
			v.bequeath(s, kept)
			s.Remove()
			s.Close()
		}
	}
	for _, s := range kept {
		if !slices.Contains(before, s) && s.Front() == nil {
			v.Log.Info("listening", s.Name, s.Address)
		}
	}
	v.sets, v.options = sets, o
	if order != nil {
		v.order = order
		v.restored()
	}
	v.tellAddresses()
	if err := v.setEnvironment(o); err != nil {
		v.Log.Error("hooks keep the old environment", "error", err)
	}
	if err := enter(v.directoryOf(o)); err != nil {
		v.Log.Error("hooks keep the old working directory", "error", err)
	}
}

// bequeath leaves what belongs to a socket to the one that has its address by now, if
// there is one.
func (v *Vassal) bequeath(s *sockets.Socket, to []*sockets.Socket) {
	i := slices.IndexFunc(to, func(heir *sockets.Socket) bool { return s.IsAt(heir.Address) })
	if i < 0 {
		return
	}
	to[i].Inherit(s)
	if at := slices.Index(v.inherited, s); at >= 0 {
		v.inherited[at] = to[i]
	}
}

func closeAll(list []*sockets.Socket) {
	for _, s := range list {
		s.Remove()
		s.Close()
	}
}
