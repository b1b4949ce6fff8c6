package vassalfiles

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/emperor-go/emperor/internal/environ"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor/process"
)

// Bounded limits reads of templates by a pool.
func Bounded(files *reads.Pool) config.Bound {
	return func(path string, read func() ([]byte, error)) ([]byte, error) {
		data, err := reads.Get(context.Background(), files, path, read)
		if errors.Is(err, reads.ErrSlow) {
			err = fmt.Errorf("cannot read %q: %w", path, err)
		}
		return data, err
	}
}

// HasOnDemand reports whether the emperor may hold sockets for its vassals.
func HasOnDemand(o config.OnDemand) bool {
	return o.Extension != "" || o.Directory != "" || o.Exec != ""
}

// Wrappers translates the options of programs that replace vassals.
func Wrappers(w config.Wrapping) process.Wrappers {
	return process.Wrappers{
		Override: w.Override, Wrapper: w.Program, Fallback: w.Fallback, WrapperAttr: w.ProgramAttr, ChdirAttr: w.ChdirAttr,
	}
}

// Environ returns the environment with which vassals of an emperor read their files, if the
// emperor was started in this process's environment. Without an emperor it is this process's.
func Environ(e *config.Emperor) []string {
	vars := environ.Vars(os.Environ())
	if e != nil {
		_ = vars.Change(e.Env) // the emperor reports a missing directory
	}
	return environ.OfVassals(vars)
}
