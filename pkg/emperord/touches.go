package emperord

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/inotify"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/internal/revision"
)

const (
	// settling is how long a directory must be unchanged before its files are examined, and
	// settlingMax limits that time for a directory that changes all the time.
	settling, settlingMax = 20 * time.Millisecond, time.Second
	// touchRetry is the interval of polling files whose directory cannot be watched, or whose
	// file system does not answer.
	touchRetry = time.Second
)

// touchEvents are the events after which a file may have another time. They are read from the kernel and not
// from fsnotify, which has no event for the end of a write (IN_CLOSE_WRITE). Each write of a program that
// needs a second for a file would reload all vassals, and the lease that the monitors take instead of this
// event is not available here. A file of touch-reload may be a device or another user's.
const touchEvents = unix.IN_CLOSE_WRITE | unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_ATTRIB

// touches watches the files of touch-reload. A file system that does not answer delays none of
// its callers.
type touches struct {
	files chan string // each touched file; nil: none is watched
	paths []string
	reads *reads.Pool
	log   *slog.Logger
	begun time.Time

	// Of the goroutine of watch.
	events *inotify.Watcher // of the directories of the files, because editors replace files
	dirs   map[string]int   // number of each watched directory
	logged map[string]bool  // directories that cannot be watched, as the log reports
	seen   map[string]revision.Revision
	fresh  map[string]bool // files that had just changed when they were last examined
	again  bool            // a file or a directory has not answered, or a file had just changed
}

func newTouches(paths []string, files *reads.Pool, log *slog.Logger) *touches {
	t := &touches{
		paths: paths, reads: files, log: log, begun: time.Now(), dirs: map[string]int{}, logged: map[string]bool{},
		seen: map[string]revision.Revision{}, fresh: map[string]bool{},
	}
	if len(paths) > 0 {
		t.files = make(chan string)
	}
	return t
}

// watch delivers touched files until ctx ends.
func (t *touches) watch(ctx context.Context) {
	if len(t.paths) == 0 {
		return
	}
	var err error
	if t.events, err = inotify.New(); err != nil {
		t.log.Error("cannot watch files of touch-reload", "error", err)
		return
	}
	// Close waits for an Add that hangs. No code waits for this Close.
	context.AfterFunc(ctx, t.events.Close)
	for t.look(ctx) {
		if !t.await() {
			return
		}
	}
}

// await returns when files may have been touched. It returns false after the end.
func (t *touches) await() bool {
	wait, until := time.Time{}, time.Time{}
	if t.again {
		wait = time.Now().Add(touchRetry)
	}
	for {
		list, err := t.events.Read(wait)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return true
		case err != nil:
			return false
		}
		for e := range list {
			if e.Mask&unix.IN_IGNORED != 0 {
				t.forget(e.Directory)
			}
		}
		now := time.Now()
		if until.IsZero() {
			until = now.Add(settlingMax)
		}
		if wait = now.Add(settling); wait.After(until) {
			wait = until
		}
	}
}

// content identifies the content of a file; zero: no file. settled: every later edit makes another revision.
type content struct {
	revision.Revision
	settled bool
}

func contentOf(path string) content {
	r, settled := revision.ContentAt(path)
	return content{r, settled}
}

// forget drops the watch of a directory that is gone.
func (t *touches) forget(number int) {
	maps.DeleteFunc(t.dirs, func(_ string, n int) bool { return n == number })
}

// look watches directories that are not watched yet, and delivers the files that were touched
// since the last call. It returns false when ctx ends.
func (t *touches) look(ctx context.Context) bool {
	t.again = false
	for _, path := range t.paths {
		t.observe(ctx, filepath.Dir(path))
		now, err := reads.Get(ctx, t.reads, path, func() (content, error) { return contentOf(path), nil })
		if err != nil {
			t.again = true
			continue
		}
		if !t.touched(path, now) {
			continue
		}
		select {
		case t.files <- path:
		case <-ctx.Done():
			return false
		}
	}
	return ctx.Err() == nil
}

// touched records a file, and reports whether it was touched since the last call. A file that has just
// changed counts when it is examined again: another edit may have the same revision.
func (t *touches) touched(path string, now content) bool {
	before, known := t.seen[path]
	changed := now.Revision != before && now.Revision != revision.Revision{} && (known || !time.Unix(now.Modified.Unix()).Before(t.begun))
	if changed && !now.settled && !t.fresh[path] {
		t.fresh[path], t.again = true, true
		return false
	}
	delete(t.fresh, path)
	t.seen[path] = now.Revision
	return changed
}

// observe watches a directory. Events before it returns may be lost.
func (t *touches) observe(ctx context.Context, dir string) {
	if _, ok := t.dirs[dir]; ok {
		return
	}
	number, err := reads.Get(ctx, t.reads, dir, func() (int, error) { return t.events.Add(dir, touchEvents) })
	switch {
	case err == nil:
		t.dirs[dir] = number
		delete(t.logged, dir)
	case t.logged[dir] || ctx.Err() != nil:
		t.again = true
	default:
		t.again, t.logged[dir] = true, true
		t.log.Error("cannot watch files of touch-reload", "directory", dir, "error", err)
	}
}
