package process

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/wire"
)

// place is where a configuration is now, and the working directory of its vassal, or the reason why there is none.
type place struct {
	config monitor.Config
	dir    string
	err    error
}

// find returns the place of a configuration. When its file system does not answer, it is where it was.
func (l *Launcher) find(ctx context.Context, c monitor.Config) place {
	found, err := reads.Get(ctx, l.Reads, c.Path, func() (place, error) {
		now := c.Located()
		dir := now.Dir
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			dir = "/"
		}
		return place{now, dir, nil}, nil
	})
	if err == nil {
		return found
	}
	dir, err := l.enterable(ctx, c.Dir) // the file may be in another file system
	return place{c, dir, err}
}

// templates reads the templates of a vassal's configuration. When the file system does not
// answer, it returns the last ones.
func (l *Launcher) templates(r emperor.Request) (*wire.Templates, error) {
	if l.Templates == nil || r.Reverted {
		return r.Templates, nil
	}
	t, err := l.Templates(r.Config.Dir)
	if errors.Is(err, reads.ErrSlow) && r.Templates != nil {
		r.Log.Warn("using the templates that were read last", "error", err)
		return r.Templates, nil
	}
	return t, err
}

// enterable is workingDirectory, and an error when that does not answer. A child that was
// cloned into it would hang before its program runs, and block every other launch.
func (l *Launcher) enterable(ctx context.Context, dir string) (string, error) {
	usable, err := l.usable(ctx, dir)
	if errors.Is(err, reads.ErrSlow) {
		return "", fmt.Errorf("cannot enter its working directory %q: %w", dir, err)
	}
	return usable, nil
}

// workingDirectory returns the directory of hooks and vassals: the monitored directory, or
// with a pattern the emperor's, as in uWSGI; the root directory when that is missing or does
// not answer.
func (l *Launcher) workingDirectory(r emperor.Request) string {
	dir, _ := l.usable(context.Background(), r.Config.Dir)
	return dir
}

// usable returns a directory; where it cannot be used the root directory, and the error.
func (l *Launcher) usable(ctx context.Context, dir string) (string, error) {
	info, err := reads.Get(ctx, l.Reads, dir, func() (os.FileInfo, error) { return os.Stat(dir) })
	if err != nil || !info.IsDir() {
		return "/", err
	}
	return dir, nil
}
