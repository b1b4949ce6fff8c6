package emperord

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/emperor-go/emperor/internal/claims"
	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/internal/vassalfiles"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// governed is a source of vassals that no other emperor may have.
type governed interface {
	monitor.Monitor
	Lock() error
}

// watching makes and claims the sources of vassals. The caller closes the registry of claims,
// also after an error. The file of claims is kept until ctx ends.
func watching(ctx context.Context, e *config.Emperor, files *reads.Pool, log *slog.Logger) (list []monitor.Monitor, registry *claims.Registry, err error) {
	uid, _, err := becoming(e)
	if err != nil {
		return nil, nil, err
	}
	find := vassalfiles.Finder{Emperor: e}
	registry = claims.Open(claims.Places(uid, os.Getenv), uid, log)
	o := monitor.DirOptions{
		Rescan: e.Rescan, Extensions: find.Extensions(), NoFollow: e.Monitor.NoFollow, MagicExec: e.Monitor.MagicExec, Claims: registry, Reads: files, Log: log,
	}
	for _, name := range e.Monitors {
		m, err := source(name, find, o)
		if err != nil {
			return list, registry, err
		}
		list = append(list, m)
		if err := m.Lock(); err != nil {
			return list, registry, err
		}
	}
	keepClaims(ctx, registry, log)
	return list, registry, nil
}

// keepClaims restores the file of claims until ctx ends, and returns at once. Without it, or with another one at
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
	go control.Kept{What: "the file of claims", Path: path, Quiet: quiet, Whole: registry.Whole, Restore: registry.Restore, Log: log}.Keep(ctx)
}

// source makes a monitor by its name.
func source(m string, find vassalfiles.Finder, o monitor.DirOptions) (governed, error) {
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
