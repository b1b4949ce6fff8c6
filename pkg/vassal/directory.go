package vassal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/config"
)

func (v *Vassal) startDirectory(context.Context) error {
	if v.options.Cwd == "" {
		return nil
	}
	if err := enter(v.options.Cwd); err != nil {
		return v.options.Blame("cwd", "", err)
	}
	return nil
}

// enter makes dir the working directory of the process, which an error names with
// the user who cannot enter it.
func enter(dir string) error {
	if err := unix.Chdir(dir); err != nil {
		return fmt.Errorf("cannot enter working directory %q as uid %d: %w", dir, os.Geteuid(), err)
	}
	return nil
}

// directoryOf is the working directory of what is served: the one of the options,
// unless hooks went elsewhere after it was entered.
func (v *Vassal) directoryOf(o *config.Vassal) string {
	if v.moved != nil && v.moved.from == o.Chdir {
		return v.moved.to
	}
	if filepath.IsAbs(o.Chdir) {
		return o.Chdir
	}
	return filepath.Join(v.home, o.Chdir)
}

// move is where hooks went, and the directory of the options that they left.
type move struct{ from, to string }

// noteMove looks whether the hooks of the application's phases went elsewhere.
func (v *Vassal) noteMove(context.Context) error {
	here, err := os.Getwd()
	if err == nil && here != v.arrived {
		v.moved = &move{from: v.options.Chdir, to: here}
	}
	return nil
}
