package vassal

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// hooks returns a step that runs the hooks of one of the vassal's own phases.
func (v *Vassal) hooks(p hooks.Phase) func(context.Context) error {
	return func(ctx context.Context) error {
		list := v.options.Hooks[p]
		if len(list) == 0 { // most phases of most vassals
			return nil
		}
		return v.runner(v.options).Run(ctx, p, list)
	}
}

// runner returns the runner of the vassal's own phases.
func (v *Vassal) runner(o *config.Vassal) hooks.Runner {
	run := hooks.Runner{Own: true, Shells: o.Around.Shells, Timeout: o.HookTimeout, Log: v.Log, Begin: v.progress.hooking, Observe: v.hookEnded}
	run.Vars = os.Environ()
	if name, _ := v.nameOf(o); name != "" {
		run.Vars = append(run.Vars, nameEnv+"="+name)
	}
	return run
}

// nameEnv is the variable by which a line can name the vassal, whatever characters the name
// contains.
const nameEnv = "UWSGI_VASSAL_NAME"

// nameOf returns the vassal's name, from the emperor or from its file, and whether a line of
// the options uses it.
func (v *Vassal) nameOf(o *config.Vassal) (name string, asked bool) {
	if name = o.Name; v.order != nil {
		name = string(v.order.Name)
	}
	return name, o.Mentions(nameEnv)
}

// postJail runs the hooks of a jailed vassal, or warns that there is no jail.
func (v *Vassal) postJail(ctx context.Context) error {
	if !v.options.Jailed {
		if n := len(v.options.Hooks[hooks.PostJail]); n > 0 {
			v.Log.Warn("the post-jail hooks do not run: there is no jail (give jailed)", "hooks", n)
		}
		return nil
	}
	return v.hooks(hooks.PostJail)(ctx)
}

// emperorHooks returns a step that runs the operator's hooks of one phase, before all steps of
// the vassal's own.
func (v *Vassal) emperorHooks(p hooks.Phase) func(context.Context) error {
	return func(ctx context.Context) error {
		if v.order == nil {
			return nil
		}
		var list []hooks.Hook
		for _, h := range v.order.Hooks {
			if hooks.Phase(h.Phase) != p {
				continue
			}
			parsed, err := hooks.Parse(hooks.Spec{Phase: p, Kind: hooks.Kind(h.Kind), Text: h.Text, Origin: h.Origin})
			if err != nil {
				return fmt.Errorf("cannot use the emperor's hook: %w", err)
			}
			list = append(list, parsed)
		}
		if len(list) == 0 {
			return nil
		}
		name := string(v.order.Name)
		run := hooks.Runner{Own: true, Context: name, Shells: v.order.Shells, Timeout: v.order.HookTimeout, Log: v.Log, Begin: v.progress.hooking, Observe: v.hookEnded}
		run.Subject = hooks.Subject{Name: name, PID: os.Getpid(), UID: v.order.UID, GID: v.order.GID}
		run.Vars = slices.Concat(os.Environ(), heldBack(v.order), v.hookVars)
		if v.ownProc {
			run.Vars = append(run.Vars, fmt.Sprintf("UWSGI_VASSAL_NETNS=/proc/%d/ns/net", os.Getpid()))
		}
		if slices.ContainsFunc(list, func(h hooks.Hook) bool { return h.Symbol() != "" }) {
			defer lend(heldBack(v.order))()
		}
		return run.Run(ctx, p, list)
	}
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
func (v *Vassal) asUser(ctx context.Context) error {
	v.unprivileged = true
	return v.hooks(hooks.AsUser)(ctx)
}

// atexit runs the hooks of the end for a vassal that fails after the drop of privileges. In a
// vassal that serves the master runs them.
func (v *Vassal) atexit() {
	if v.unprivileged && !v.serving {
		v.runner(v.options).Logged(context.Background(), hooks.AsUserAtexit, v.options.Hooks[hooks.AsUserAtexit])
	}
}
