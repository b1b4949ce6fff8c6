package emperord

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/emperor-go/emperor/internal/libexec"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// becomeTwin executes the native twin of this program, which can call C functions, before any
// other work, when the options need C functions.
func becomeTwin(o *config.Emperor) error {
	what := "a shared library"
	h, asked := o.Hooks.Native()
	switch {
	case hooks.IsNative:
		return nil
	case asked:
		what = h.Spec().Option()
	case !o.Around.Libraries.Wanted():
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	twin, err := libexec.FindFor(self, hooks.TwinOf(filepath.Base(self)))
	if err != nil {
		return fmt.Errorf("%s needs C functions: %w", what, err)
	}
	return fmt.Errorf("cannot become %q: %w", twin, syscall.Exec(twin, os.Args, os.Environ()))
}

// vassalProgram finds the program for vassals, and the C libraries that it loads for the
// operator's hooks: with such hooks it is the native twin.
func vassalProgram(o *config.Emperor) (program string, _ hooks.Libraries, err error) {
	if program, err = programAt(o.VassalProgram); err != nil {
		return "", hooks.Libraries{}, err
	}
	h, asked := o.Hooks.Native(hooks.AsVassalBeforeDrop, hooks.AsVassal, hooks.AsEmperorSetns)
	if !asked {
		return program, hooks.Libraries{}, nil
	}
	twin, err := libexec.FindFor(program, hooks.TwinOf(filepath.Base(program)))
	if err != nil {
		return "", hooks.Libraries{}, fmt.Errorf("%s calls a C function: %w", h.Spec().Option(), err)
	}
	return twin, o.Around.Libraries, nil
}

// programAt returns the path of the program for vassals: the given one, or the one that belongs to
// this program, or the one in PATH, for an emperor that is built elsewhere.
func programAt(named string) (path string, err error) {
	if named == "" {
		if path, err = libexec.Find("vassal"); err == nil {
			return path, nil
		}
		named = "vassal"
	}
	path, err = exec.LookPath(named)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return "", fmt.Errorf("cannot find the vassal program: %w (install it beside emperor, or give --emperor-vassal)", err)
	}
	return path, nil
}
