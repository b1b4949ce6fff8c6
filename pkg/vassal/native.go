package vassal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// becomeTwin makes the requested C functions available: this process executes the native twin
// of its program, before any of the vassal's own phases, with all its state. The twin comes
// here again, and loads the libraries.
func (v *Vassal) becomeTwin() error {
	what, asked := wantsNative(v.options)
	if hooks.IsNative || !asked {
		return v.load(v.options.Around.Libraries)
	}
	if v.TwinProgram == "" {
		return fmt.Errorf("%s needs C functions: install %s beside this program", what, filepath.Base(hooks.TwinOf("vassal")))
	}
	if v.silenced() {
		return errStopped
	}
	v.holdInherited()
	next := legacy{Twin: true, Tried: v.tried}
	if v.resumed != nil {
		next.File, next.Why = v.resumed.File, v.resumed.Why
	}
	next.Dir, _ = os.Getwd()
	return fmt.Errorf("cannot become %q: %w", v.TwinProgram, v.again(v.TwinProgram, next))
}

// wantsNative names the first option that needs C functions.
func wantsNative(o *config.Vassal) (what string, ok bool) {
	if o.Around.Libraries.Wanted() {
		return "a shared library", true
	}
	h, ok := o.Hooks.Native()
	return h.Spec().Option(), ok
}

func (v *Vassal) load(l hooks.Libraries) error {
	if l.Wanted() {
		v.progress.at("libraries to be loaded", true) // their init functions may block
	}
	return l.Load(func(err error) { v.Log.Warn("a plugin is left out", "error", err) })
}

// emperorLibraries loads the libraries of the operator's hooks. When there are any, the
// emperor has started the native program.
func (v *Vassal) emperorLibraries(context.Context) error {
	if v.order == nil {
		return nil
	}
	l := hooks.Libraries{Dirs: v.order.LibraryDirs}
	for _, p := range v.order.Libraries {
		l.Plugins = append(l.Plugins, hooks.Plugin(p))
	}
	return v.load(l)
}
