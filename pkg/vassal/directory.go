package vassal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/programs"
	"github.com/emperor-go/emperor/pkg/config"
)

// directories are the working directories of this process.
type directories struct {
	home    string // before the options' own
	arrived string // the options' own
	moved   *move  // nil: hooks have not changed it
}

// move is the directory that hooks chose, and the options' directory that they left.
type move struct{ from, to string }

func startDirectory(_ context.Context, o *config.Vassal) error {
	if o.Cwd == "" {
		return nil
	}
	if err := enter(o.Cwd); err != nil {
		return o.Blame("cwd", "", err)
	}
	return nil
}

// change sets the umask and the working directory of the options.
func (d *directories) change(_ context.Context, o *config.Vassal) (err error) {
	if o.UmaskSet {
		unix.Umask(o.Umask)
	}
	if d.home, err = os.Getwd(); err != nil && o.Chdir != "" && !filepath.IsAbs(o.Chdir) {
		return fmt.Errorf("cannot find working directory: %w", err)
	}
	if o.Chdir != "" {
		if err := enter(o.Chdir); err != nil {
			return o.Blame("chdir", "", err)
		}
	}
	d.arrived, _ = os.Getwd()
	return nil
}

// enter makes dir the working directory of the process. Its error names the user who cannot
// enter it.
func enter(dir string) error {
	if err := unix.Chdir(dir); err != nil {
		return programs.CannotEnter(dir, unix.Geteuid(), err)
	}
	return nil
}

// of returns the working directory of the programs that serve: the options' directory, unless
// hooks changed it afterwards.
func (d *directories) of(o *config.Vassal) string {
	if d.moved != nil && d.moved.from == o.Chdir {
		return d.moved.to
	}
	if filepath.IsAbs(o.Chdir) {
		return o.Chdir
	}
	return filepath.Join(d.home, o.Chdir)
}

// keep records whether hooks of the application's phases changed the directory.
func (d *directories) keep(_ context.Context, o *config.Vassal) error {
	here, err := os.Getwd()
	if err == nil && here != d.arrived {
		d.moved = &move{from: o.Chdir, to: here}
	}
	return nil
}
