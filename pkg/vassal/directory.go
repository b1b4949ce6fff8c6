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

// enter makes dir the working directory of the process. Its error names the user who cannot
// enter it.
func enter(dir string) error {
	if err := unix.Chdir(dir); err != nil {
		return fmt.Errorf("cannot enter working directory %q as uid %d: %w", dir, os.Geteuid(), err)
	}
	return nil
}

// directoryOf returns the working directory of the programs that serve: the options'
// directory, unless hooks changed it afterwards.
func (v *Vassal) directoryOf(o *config.Vassal) string {
	if v.moved != nil && v.moved.from == o.Chdir {
		return v.moved.to
	}
	if filepath.IsAbs(o.Chdir) {
		return o.Chdir
	}
	return filepath.Join(v.home, o.Chdir)
}

// move is the directory that hooks chose, and the options' directory that they left.
type move struct{ from, to string }

// noteMove records whether hooks of the application's phases changed the directory.
func (v *Vassal) noteMove(context.Context) error {
	here, err := os.Getwd()
	if err == nil && here != v.arrived {
		v.moved = &move{from: v.options.Chdir, to: here}
	}
	return nil
}
