package emperor

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/wire"
)

// located is monitor.Config.Located; when the file system does not answer it changes nothing.
func (s *System) located(c monitor.Config) monitor.Config {
	found, err := reads.Get(context.Background(), s.Reads, c.Path, func() (monitor.Config, error) { return c.Located(), nil })
	if err != nil {
		return c
	}
	return found
}

// templates reads the templates of a vassal's configuration. When the file system does not
// answer, it returns the last ones.
func (s *System) templates(r Request) (*wire.Templates, error) {
	if s.Templates == nil {
		return nil, nil
	}
	t, err := s.Templates(r.Config.Dir)
	if errors.Is(err, reads.ErrSlow) && r.Templates != nil {
		r.Log.Warn("using the templates that were read last", "error", err)
		return r.Templates, nil
	}
	return t, err
}

// enterable fails when a working directory does not answer. A child that was cloned into it
// would hang before its program runs, and block every other launch.
func (s *System) enterable(ctx context.Context, dir string) error {
	if _, err := s.stat(ctx, dir); errors.Is(err, reads.ErrSlow) {
		return fmt.Errorf("cannot enter its working directory %q: %w", dir, err)
	}
	return nil
}

// workingDirectory returns the directory of hooks and vassals: the monitored directory, or
// with a pattern the emperor's, as in uWSGI; the root directory when that is missing or does
// not answer.
func (s *System) workingDirectory(r Request) string {
	dir := r.Config.Dir
	if info, err := s.stat(context.Background(), dir); err != nil || !info.IsDir() {
		return "/"
	}
	return dir
}

func (s *System) stat(ctx context.Context, path string) (os.FileInfo, error) {
	return reads.Get(ctx, s.Reads, path, func() (os.FileInfo, error) { return os.Stat(path) })
}
