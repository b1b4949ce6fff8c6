package emperord

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/problem"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/internal/seccomp"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// profile adds the profile of system calls of a vassal to its facts. The vassal itself reads no profile.
func (r *reading) profile(f *emperor.Facts, v *config.Vassal) error {
	path := v.Hardening.Profile
	if path == "" {
		return nil
	}
	code, err := reads.Get(context.Background(), r.reads, path, func() ([]unix.SockFilter, error) { return seccomp.Read(path, v.Holds) })
	if own, ok := errors.AsType[config.Problems](err); ok { // with lines of the profile
		return own
	}
	if err != nil {
		m := problem.Of(err)
		return config.Problems{{Origin: v.Origin("system-call-filter"), Key: "system-call-filter", What: m.What, Hint: m.Hint}}
	}
	f.Filtered = emperor.Profile{Path: path, Code: code}
	return nil
}
