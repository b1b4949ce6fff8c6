package vassal

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/emperor-go/emperor/internal/assist"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/vassal/workers"
	"github.com/emperor-go/emperor/pkg/wire"
)

// hookRunner runs hooks of the boot and of the service, and reports each to the emperor.
type hookRunner struct {
	source   *source
	link     *link
	progress *progress
	programs *ownPrograms
	log      *slog.Logger
	alive    context.Context // its end kills the hook that runs in the boot
}

// boot runs hooks of the boot. After the end of ctx the current hook ends by itself, and no
// other one begins.
func (h *hookRunner) boot(ctx context.Context, run hooks.Runner, p hooks.Phase, list []hooks.Hook) error {
	run.Stop = ctx.Done()
	return run.Run(h.alive, p, list)
}

// own returns a step that runs the hooks of one of the vassal's own phases.
func (h *hookRunner) own(p hooks.Phase) optionStep {
	return func(ctx context.Context, o *config.Vassal) error {
		list := o.Hooks[p]
		if len(list) == 0 { // most phases of most vassals
			return nil
		}
		return h.boot(ctx, h.runner(o, p), p, list)
	}
}

// runner returns the runner of one of the vassal's own phases. After the drop its programs have the limits
// of the vassal's programs.
func (h *hookRunner) runner(o *config.Vassal, p hooks.Phase) hooks.Runner {
	run := h.reporting(o.Around.Shells, o.HookTimeout)
	if info, _ := p.Info(); info.AsUser() {
		run.Through = workers.Limiter(self, o.Limits)
	}
	run.Vars = append(os.Environ(), h.source.networkVars()...)
	if name, _ := h.source.nameFor(o); name != "" {
		run.Vars = append(run.Vars, nameEnv+"="+name)
	}
	return run
}

// reporting returns a runner whose hooks are reported to the emperor.
func (h *hookRunner) reporting(shells []string, timeout time.Duration) hooks.Runner {
	return hooks.Runner{Own: true, Shells: shells, Timeout: timeout, Log: h.log, Lookup: assist.Through(h.programs.helper).Lookup, Begin: h.progress.hooking, Observe: h.link.reportHook}
}

// postJail runs the hooks of a jailed vassal, or warns that there is no jail.
func (h *hookRunner) postJail(ctx context.Context, o *config.Vassal) error {
	if o.Jailed {
		return h.own(hooks.PostJail)(ctx, o)
	}
	if n := len(o.Hooks[hooks.PostJail]); n > 0 {
		h.log.Warn("the post-jail hooks do not run: there is no jail (give jailed)", "hooks", n)
	}
	return nil
}

// operator returns a step that runs the operator's hooks of one phase, before all steps of
// the vassal's own.
func (h *hookRunner) operator(p hooks.Phase) orderStep {
	return func(ctx context.Context, order *wire.Order) error {
		list, err := hooksOf(order, p)
		if err != nil || len(list) == 0 {
			return err
		}
		name := string(order.Name)
		run := h.reporting(order.Shells, order.HookTimeout)
		run.Context = name
		run.Subject = hooks.Subject{Name: name, PID: os.Getpid(), UID: order.UID, GID: order.GID}
		secrets := heldBack(order)
		if order.Tenant != nil && p != hooks.AsVassalBeforeDrop { // the tenant sees the environment of its processes
			secrets = nil
		}
		run.Vars = slices.Concat(os.Environ(), secrets, texts(order.HookVars), texts(order.NetworkVars))
		if ownNetwork(order) {
			run.Vars = append(run.Vars, fmt.Sprintf("UWSGI_VASSAL_NETNS=/proc/%d/ns/net", os.Getpid()))
		}
		if slices.ContainsFunc(list, func(one hooks.Hook) bool { return one.Symbol() != "" }) {
			defer lend(secrets)()
		}
		return h.boot(ctx, run, p, list)
	}
}

// hooksOf parses the operator's hooks of one phase.
func hooksOf(order *wire.Order, p hooks.Phase) (list []hooks.Hook, err error) {
	for _, h := range order.Hooks {
		if h.Phase != p {
			continue
		}
		parsed, err := hooks.Parse(h)
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

// phase returns a function that runs the hooks of a phase while the vassal serves: all of them, or
// the ones of one file. The hooks of the end belong to the configuration in effect: they run in
// its directory and environment.
func (h *hookRunner) phase(o *config.Vassal, p hooks.Phase, file string) func() error {
	if p != hooks.AsUserAtexit {
		return func() error { return phaseBy(h.runner(o, p), o, p, file) }
	}
	run := h.runner(o, p)
	run.Dir, _ = os.Getwd()
	return func() error { return phaseBy(run, o, p, file) }
}

// phaseBy runs the hooks of a phase. The failure of a hook after a change that cannot be undone is
// only logged.
func phaseBy(run hooks.Runner, o *config.Vassal, p hooks.Phase, file string) error {
	list := o.Hooks[p]
	if file != "" {
		run.Context = file
		list = slices.DeleteFunc(slices.Clone(list), func(one hooks.Hook) bool { return one.Subject() != file })
	}
	info, _ := p.Info()
	if !info.Fatal {
		run.Logged(context.Background(), p, list)
		return nil
	}
	return run.Run(context.Background(), p, list)
}

// asUser runs the hooks of the drop. From here on the hooks of the end are due.
func asUser(at *stage, h *hookRunner) optionStep {
	return func(ctx context.Context, o *config.Vassal) error {
		*at = stageDropped
		return h.own(hooks.AsUser)(ctx, o)
	}
}

// atexit runs the hooks of the end for a vassal that fails after the drop of privileges. In a
// vassal that serves the master runs them.
func (v *vassal) atexit() {
	if v.stage == stageDropped {
		v.hooks.runner(v.options, hooks.AsUserAtexit).Logged(v.hooks.alive, hooks.AsUserAtexit, v.options.Hooks[hooks.AsUserAtexit])
	}
}
