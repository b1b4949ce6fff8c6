package vassal

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/pkg/hooks"
)

// hooks returns a step that runs the hooks of one of the vassal's own phases.
func (v *Vassal) hooks(p hooks.Phase) func(context.Context) error {
	return func(ctx context.Context) error {
		run := hooks.Runner{Timeout: v.options.HookTimeout, Log: v.Log}
		run.Vars = os.Environ()
		return run.Run(ctx, p, v.options.Hooks[p])
	}
}

// emperorHooks runs the operator's as-vassal hooks, before anything of the
// vassal's own.
func (v *Vassal) emperorHooks(ctx context.Context) error {
	if v.order == nil {
		return nil
	}
	var list []hooks.Hook
	for _, h := range v.order.Hooks {
		parsed, err := hooks.Parse(hooks.Spec{Phase: hooks.Phase(h.Phase), Kind: hooks.Kind(h.Kind), Text: h.Text, Origin: h.Origin})
		if err != nil {
			return fmt.Errorf("cannot use the emperor's hook: %w", err)
		}
		list = append(list, parsed)
	}
	run := hooks.Runner{Log: v.Log}
	run.Vars = append(os.Environ(), v.hookVars...)
	return run.Run(ctx, hooks.AsVassal, list)
}

// applicationEnviron is the environment of what the vassal serves: its own
// without what only concerns the emperor's protocols.
func applicationEnviron() []string {
	return slices.DeleteFunc(os.Environ(), func(e string) bool {
		key, _ := cut(e)
		return strings.HasPrefix(key, "UWSGI_") || strings.HasPrefix(key, "EMPEROR_") || strings.HasPrefix(key, "LISTEN_") || key == "NOTIFY_SOCKET"
	})
}

func cut(e string) (key, value string) {
	key, value, _ = strings.Cut(e, "=")
	return key, value
}
