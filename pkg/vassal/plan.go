package vassal

import (
	"errors"
	"fmt"
	"time"

	"github.com/emperor-go/emperor/internal/libexec"
	"github.com/emperor-go/emperor/internal/programs"
	"github.com/emperor-go/emperor/internal/sockets"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/vassal/workers"
)

// planOf returns the plan of the master for options whose sockets are bound.
func (v *vassal) planOf(o *config.Vassal, sets [][]*sockets.Socket) (*workers.Plan, error) {
	program, err := v.programOf(o)
	if err != nil {
		return nil, err
	}
	env, err := v.env.programs(o, &v.source)
	if err != nil {
		return nil, err
	}
	front, sets, err := frontOf(o, v.programs.server, sets)
	if err != nil {
		return nil, err
	}
	proof := proofTime
	if program == nil || program.Server != nil { // it is ours
		proof = 0
	}
	return &workers.Plan{
		StopFirst: o.ReloadOrder() == config.StopFirst, Proof: proof,
		Program: program, Front: front, Sockets: sets, Env: env, Dir: v.dirs.of(o), Workers: o.Workers, Mercy: o.ReloadMercy, Ready: o.Ready,
		Terminal: v.sockets.terminal.of(o), Triggers: o.Triggers, Idle: o.Idle, Daemons: o.Daemons, Limits: o.Limits, Shells: o.Around.Shells, Hooks: o.Hooks,
		RunHooks: func(p hooks.Phase, file string) func() error { return v.hooks.phase(o, p, file) },
	}, nil
}

// proofTime is how long a worker of a reload must live after its readiness for that to count. Programs report
// that they are ready, or are executed, before they find out that they cannot go on.
const proofTime = time.Second

// programOf returns the program of the workers: the operator's command, the program that takes a
// socket as standard input, or the built-in server. Nil: there are no workers.
func (v *vassal) programOf(o *config.Vassal) (*workers.Program, error) {
	p := &workers.Program{HookTimeout: o.HookTimeout, Shells: o.Around.Shells, PostFork: o.Hooks[hooks.PostFork], Helper: v.programs.helper, Libraries: o.Around.Libraries, Limits: o.Limits}
	if orders := v.link.orders; orders != nil {
		p.Notices = orders.FD()
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
		return p, useServer(p, o, v.programs.server)
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

// useServer makes p the built-in server, which is at path.
func useServer(p *workers.Program, o *config.Vassal, path string) (err error) {
	p.Args, p.Server, p.Limits = []string{libexec.Server}, &o.Server, config.Limits{}
	if p.Path, err = programs.Find(path); err != nil {
		return fmt.Errorf("cannot run %q: %w", libexec.Server, err)
	}
	return nil
}

var errNoApp = errors.New("need-app: there is nothing to serve")
