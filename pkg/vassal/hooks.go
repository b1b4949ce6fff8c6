package vassal

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// ownHooks returns a step that runs the hooks of one of the vassal's own phases.
func (v *vassal) ownHooks(p hooks.Phase) optionStep {
	return func(ctx context.Context, o *config.Vassal) error {
		list := o.Hooks[p]
		if len(list) == 0 { // most phases of most vassals
			return nil
		}
		return v.runner(o).Run(ctx, p, list)
	}
}

// runner returns the runner of the vassal's own phases.
func (v *vassal) runner(o *config.Vassal) hooks.Runner {
	run := v.hookRunner(o.Around.Shells, o.HookTimeout)
	run.Vars = os.Environ()
	if name, _ := v.source.nameFor(o); name != "" {
		run.Vars = append(run.Vars, nameEnv+"="+name)
	}
	return run
}

// hookRunner returns a runner whose hooks are reported to the emperor.
func (v *vassal) hookRunner(shells []string, timeout time.Duration) hooks.Runner {
	return hooks.Runner{Own: true, Shells: shells, Timeout: timeout, Log: v.log, Begin: v.progress.hooking, Observe: v.link.reportHook}
}

// postJail runs the hooks of a jailed vassal, or warns that there is no jail.
func (v *vassal) postJail(ctx context.Context, o *config.Vassal) error {
	if o.Jailed {
		return v.ownHooks(hooks.PostJail)(ctx, o)
	}
	if n := len(o.Hooks[hooks.PostJail]); n > 0 {
		v.log.Warn("the post-jail hooks do not run: there is no jail (give jailed)", "hooks", n)
	}
	return nil
}

// operatorHooks returns a step that runs the operator's hooks of one phase, before all steps of
// the vassal's own.
func (v *vassal) operatorHooks(p hooks.Phase) orderStep {
	return func(ctx context.Context, order *wire.Order) error {
		list, err := hooksOf(order, p)
		if err != nil || len(list) == 0 {
			return err
		}
		name := string(order.Name)
		run := v.hookRunner(order.Shells, order.HookTimeout)
		run.Context = name
		run.Subject = hooks.Subject{Name: name, PID: os.Getpid(), UID: order.UID, GID: order.GID}
		run.Vars = slices.Concat(os.Environ(), heldBack(order), texts(order.HookVars))
		if ownNetwork(order) {
			run.Vars = append(run.Vars, fmt.Sprintf("UWSGI_VASSAL_NETNS=/proc/%d/ns/net", os.Getpid()))
		}
		if slices.ContainsFunc(list, func(h hooks.Hook) bool { return h.Symbol() != "" }) {
			defer lend(heldBack(order))()
		}
		return run.Run(ctx, p, list)
	}
}

// hooksOf parses the operator's hooks of one phase.
func hooksOf(order *wire.Order, p hooks.Phase) (list []hooks.Hook, err error) {
	for _, h := range order.Hooks {
		if hooks.Phase(h.Phase) != p {
			continue
		}
		parsed, err := hooks.Parse(hooks.Spec{Phase: p, Kind: hooks.Kind(h.Kind), Text: h.Text, Origin: h.Origin})
		if err != nil {
			return nil, fmt.Errorf("cannot use the emperor's hook: %w", err)
		}
		list = append(list, parsed)
	}
	return list, nil
}

// ownNetwork reports whether this process has a /proc and a network of its own: the emperor's
// path to the network is invalid here.
func ownNetwork(order *wire.Order) bool {
	made, err := namespaces.ParseFlags(order.Namespaces)
	return err == nil && made.Has(namespaces.NewMount) && made.Has(namespaces.NewPID) && made.Has(namespaces.NewNet)
}

// lend adds variables to the environment of this process, where C functions look for them.
// giveBack removes the ones that are unchanged.
func lend(vars []string) (giveBack func()) {
	for _, variable := range vars {
		key, value, _ := strings.Cut(variable, "=")
		_ = os.Setenv(key, value) // a key that is no name cannot be looked up
	}
	return func() {
		for _, variable := range vars {
			if key, value, _ := strings.Cut(variable, "="); os.Getenv(key) == value {
				_ = os.Unsetenv(key)
			}
		}
	}
}

// asUser runs the hooks of the drop. From here on the hooks of the end are due.
func (v *vassal) asUser(ctx context.Context, o *config.Vassal) error {
	v.stage = stageDropped
	return v.ownHooks(hooks.AsUser)(ctx, o)
}

// atexit runs the hooks of the end for a vassal that fails after the drop of privileges. In a
// vassal that serves the master runs them.
func (v *vassal) atexit() {
	if v.stage == stageDropped {
		v.runner(v.options).Logged(context.Background(), hooks.AsUserAtexit, v.options.Hooks[hooks.AsUserAtexit])
	}
}
