package emperord

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/emperor-go/emperor/internal/backoff"
	"github.com/emperor-go/emperor/internal/claims"
	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/internal/vassalfiles"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// openClaims opens the register of files that emperors of one user have, with the claims of an earlier
// emperor. The caller closes it.
func openClaims(o *config.Emperor, held claims.Held, log *slog.Logger) (*claims.Registry, error) {
	uid, _, err := becoming(o)
	if err != nil {
		return nil, err
	}
	return claims.Inherit(held, claims.Places(uid, os.Getenv), uid, log), nil
}

// monitors makes the sources of vassals and takes them from other emperors.
func monitors(e *config.Emperor, a Additions, registry *claims.Registry, files *reads.Pool, log *slog.Logger) (list []monitor.Monitor, err error) {
	find := vassalfiles.Finder{Emperor: e}
	o := monitor.DirOptions{
		Rescan: e.Rescan, Extensions: find.Extensions(), NoFollow: e.Monitor.NoFollow, MagicExec: e.Monitor.MagicExec, Owners: find.Owners(),
		Claims: registry, Reads: files, Log: log,
	}
	for _, name := range e.Monitors {
		m, err := a.monitor(name, log)
		if err == nil && m == nil {
			m, err = source(name, find, o)
		}
		if err != nil {
			return nil, err
		}
		if exclusive, ok := m.(interface{ Lock() error }); ok {
			if err := exclusive.Lock(); err != nil {
				return nil, err
			}
		}
		list = append(list, m)
	}
	return list, nil
}

// keepClaims restores the file of claims until ctx ends. Without it, or with another one at
// its path, an emperor that starts would run the same files.
func keepClaims(ctx context.Context, registry *claims.Registry, log *slog.Logger) {
	path := registry.Path()
	if path == "" {
		return
	}
	quiet := filepath.Dir(path)
	if quiet == "/tmp" { // it has many changes, of any user: polling is enough
		quiet = ""
	}
	control.Kept{What: "the file of claims", Path: path, Quiet: quiet, Whole: registry.Whole, Restore: registry.Restore, Log: log}.Keep(ctx)
}

// settleClaims gives up claims of an earlier emperor that this one does not make again, when each
// monitor has reported once.
func settleClaims(ctx context.Context, e *emperor.Emperor, registry *claims.Registry) {
	for registry.Unsettled() {
		if p, err := e.Progress(ctx); err != nil || p.Begun {
			registry.Settle()
			return
		}
		_ = backoff.Pause(ctx, startLook)
	}
}

// source makes a monitor of files by its name.
func source(m string, find vassalfiles.Finder, o monitor.DirOptions) (monitor.Monitor, error) {
	info, err := reads.Get(context.Background(), o.Reads, m, func() (os.FileInfo, error) { return os.Stat(m) })
	pattern, ok := find.PatternAs(m, info, err)
	if !ok {
		return monitor.NewDir(m, o)
	}
	if errors.Is(err, fs.ErrNotExist) && find.IsVassal(m) && !strings.ContainsAny(m, "*?[") {
		o.Log.Warn("there is no such file yet", "file", m)
	}
	return monitor.NewGlob(pattern, o)
}
