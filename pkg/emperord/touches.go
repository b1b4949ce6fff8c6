package emperord

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settling is how long a touched file must be left alone to count.
const settling = 20 * time.Millisecond

// touches watches the files of touch-reload.
type touches struct {
	files   chan string // each touched file; nil: none is watched
	paths   []string
	seen    map[string]time.Time
	log     *slog.Logger
	watcher *fsnotify.Watcher // of their directories, because editors replace files
}

// newTouches begins to watch files. After an error it watches none.
func newTouches(paths []string, log *slog.Logger) (*touches, error) {
	t := &touches{paths: paths, seen: map[string]time.Time{}, log: log}
	if len(paths) == 0 {
		return t, nil
	}
	var err error
	if t.watcher, err = fsnotify.NewWatcher(); err != nil {
		return &touches{}, err
	}
	for _, path := range paths {
		t.seen[path] = changed(path)
		if dir := filepath.Dir(path); !slices.Contains(t.watcher.WatchList(), dir) {
			if err := t.watcher.Add(dir); err != nil {
				_ = t.watcher.Close()
				return &touches{}, err
			}
		}
	}
	t.files = make(chan string)
	return t, nil
}

// watch delivers touched files until ctx ends.
func (t *touches) watch(ctx context.Context) {
	if t.watcher == nil {
		return
	}
	defer func() { _ = t.watcher.Close() }()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.watcher.Events:
			timer.Reset(settling)
		case err := <-t.watcher.Errors:
			t.log.Debug("some touches are found late", "error", err)
			timer.Reset(settling)
		case <-timer.C:
			if !t.deliver(ctx) {
				return
			}
		}
	}
}

// deliver delivers the files that were touched since the last call. It returns false when ctx
// ends.
func (t *touches) deliver(ctx context.Context) bool {
	for _, path := range t.paths {
		now := changed(path)
		if now.IsZero() || now.Equal(t.seen[path]) {
			continue
		}
		t.seen[path] = now
		select {
		case t.files <- path:
		case <-ctx.Done():
			return false
		}
	}
	return true
}
