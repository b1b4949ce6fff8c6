package vassal

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/wire"
)

// becomeTwin makes the requested C functions available: this process executes the native twin
// of its program, before any of the vassal's own phases, with all its state. The twin comes
// here again, and loads the libraries.
func (v *vassal) becomeTwin() error {
	what, asked := wantsNative(v.options)
	if hooks.IsNative || !asked {
		return loadLibraries(v.options.Around.Libraries, &v.progress, v.log)
	}
	if v.programs.twin == "" {
		return fmt.Errorf("%s needs C functions: install %s beside this program or in ../libexec/emperor", what, hooks.TwinOf("vassal"))
	}
	if v.silenced() {
		return errStopped
	}
	v.sockets.hold()
	next := state{Twin: true, Tried: v.source.tried}
	if f := v.source.fallback; f != nil {
		next.File, next.Why = f.file, f.why
	}
	next.Dir, _ = os.Getwd()
	return fmt.Errorf("cannot become %q: %w", v.programs.twin, v.handOver(v.programs.twin, next))
}

// wantsNative names the first option that needs C functions.
func wantsNative(o *config.Vassal) (what string, ok bool) {
	if o.Around.Libraries.Wanted() {
		return "a shared library", true
	}
	h, ok := o.Hooks.Native()
	return h.Spec().Option(), ok
}

func loadLibraries(l hooks.Libraries, at *progress, log *slog.Logger) error {
	if l.Wanted() {
		at.at("libraries to be loaded", true) // their init functions may block
	}
	return l.Load(func(err error) { log.Warn("a plugin is left out", "error", err) })
}

// operatorLibraries loads the libraries of the operator's hooks. When there are any, the
// emperor has started the native program.
func operatorLibraries(at *progress, log *slog.Logger) orderStep {
	return func(_ context.Context, order *wire.Order) error {
		return loadLibraries(hooks.Libraries{Plugins: order.Libraries, Dirs: order.LibraryDirs}, at, log)
	}
}
