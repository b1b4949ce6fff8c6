package monitor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Glob monitors a pattern of paths (filepath.Match): each regular file that it fits
// and that has a known extension is a vassal, and its path is the vassal's name, as
// in uWSGI's glob monitor. It learns of changes by inotify(7) in every directory
// that the pattern leads through.
type Glob struct {
	pattern string
	options DirOptions
	watch   *watcher // nil: no events, look every so often
	entries map[string]*entry
	base    string        // the directory where the pattern begins to be one
	trouble string        // why the base cannot be read, as it was logged
	asked   chan struct{} // somebody wants a look; holds one
}

// NewGlob returns a monitor of a pattern. It fails when that is none.
func NewGlob(pattern string, o DirOptions) (*Glob, error) {
	absolute, err := filepath.Abs(pattern)
	if err == nil {
		_, err = filepath.Match(absolute, "")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot monitor %q: %w", pattern, err)
	}
	if len(o.Extensions) == 0 {
		o.Extensions = []string{".ini"}
	}
	g := &Glob{pattern: absolute, options: o, entries: map[string]*entry{}, asked: make(chan struct{}, 1)}
	g.base = filepath.Dir(absolute)
	if at := strings.IndexAny(absolute, special); at >= 0 {
		g.base = filepath.Clean(absolute[:strings.LastIndex(absolute[:at], "/")+1])
	}
	return g, nil
}

// special are the bytes that make a pattern of a path.
const special = `*?[\`

// String returns the absolute pattern.
func (g *Glob) String() string { return "glob://" + g.pattern }

// Rescan asks for a look at once. It never blocks and may be called by anybody.
func (g *Glob) Rescan() {
	select {
	case g.asked <- struct{}{}:
	default:
	}
}

// Run implements Monitor.
func (g *Glob) Run(ctx context.Context, report func(Set)) error {
	hints := make(chan []hint)
	if w, err := newWatcher(); err != nil {
		g.options.Log.Warn("no events: looking every second", "pattern", g.pattern, "error", err)
	} else {
		g.watch = w
		defer w.close()
		go forward(ctx, w, hints)
	}
	g.look()
	report(g.set())
	g.loop(ctx, hints, report)
	return nil
}

func (g *Glob) loop(ctx context.Context, hints <-chan []hint, report func(Set)) {
	var rescan <-chan time.Time
	if g.options.Rescan > 0 {
		ticker := time.NewTicker(g.options.Rescan)
		defer ticker.Stop()
		rescan = ticker.C
	}
	quiet := time.NewTimer(lookout)
	defer quiet.Stop()
	g.plan(quiet)
	var since time.Time // when the first event came that was not looked after
	for {
		select {
		case <-ctx.Done():
			return
		case <-rescan:
		case <-g.asked:
		case batch := <-hints:
			if !g.concerned(batch) {
				continue
			}
			if since.IsZero() {
				since = time.Now()
			}
			quiet.Reset(min(settle, max(0, settleMax-time.Since(since))))
			continue
		case <-quiet.C:
		}
		since = time.Time{}
		if g.look() {
			report(g.set())
		}
		g.plan(quiet)
	}
}

// concerned reports whether one of the hints may change anything: names like those
// of editors' temporary files do not.
func (g *Glob) concerned(hints []hint) bool {
	for _, h := range hints {
		if h.dir != filepath.Dir(g.pattern) || h.entry == "" || counts(h.entry, g.options.Extensions) {
			return true
		}
	}
	return false
}

// plan sets the timer to the next look that no event will ask for.
func (g *Glob) plan(quiet *time.Timer) {
	quiet.Stop()
	if g.watch == nil || g.trouble != "" {
		quiet.Reset(lookout)
	}
	for _, e := range g.entries {
		if !e.missing.IsZero() {
			quiet.Reset(max(time.Millisecond, absence-time.Since(e.missing)))
			return
		}
	}
}

// look reads what has changed and reports whether the set has. While the directory
// cannot be read in which the pattern begins, everything stays as it was.
func (g *Glob) look() (changed bool) {
	g.rewatch() // first: what comes later than the look makes an event
	if !g.readable() {
		return false
	}
	paths, _ := filepath.Glob(g.pattern)
	seen := map[string]bool{}
	for _, path := range paths {
		seen[path] = counts(filepath.Base(path), g.options.Extensions)
	}
	for path := range g.entries {
		seen[path] = true
	}
	for path, isConfig := range seen {
		if isConfig && g.refresh(path) {
			changed = true
		}
	}
	g.followLinks()
	return changed
}

// readable looks at the base, and says so once when it cannot be read.
func (g *Glob) readable() bool {
	trouble := ""
	if _, err := os.ReadDir(g.base); err != nil {
		trouble = cause(err).Error()
	}
	switch {
	case trouble == g.trouble:
	case trouble != "":
		g.options.Log.Warn("cannot read the directory; its vassals keep running", "directory", g.base, "error", trouble)
	default:
		g.options.Log.Info("the directory can be read again", "directory", g.base)
	}
	g.trouble = trouble
	return trouble == ""
}

// refresh looks at one path. What cannot be looked at stays as it was.
func (g *Glob) refresh(path string) (changed bool) {
	e := g.entries[path]
	if e == nil {
		e = &entry{}
	}
	parent, name := filepath.Split(path)
	dir, err := os.OpenFile(parent, unix.O_PATH|oDirectory, 0)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return absent(g.entries, path, e)
	case err != nil:
		return false
	}
	defer dir.Close()
	return look(g.entries, e, int(dir.Fd()), name, Config{Name: path, Path: path}, g.options)
}

func (g *Glob) set() Set { return setOf(g.entries) }

// rewatch watches every directory that the pattern leads through as it is now.
func (g *Glob) rewatch() {
	if g.watch == nil {
		return
	}
	for _, dir := range g.dirs() {
		_ = g.watch.add(dir) // the rescan is the safety net
	}
}

// dirs are the directories in which a change may bring or take a match.
func (g *Glob) dirs() []string {
	dirs := []string{nearestDir(g.base)}
	for dir := filepath.Dir(g.pattern); len(dir) > len(g.base); dir = filepath.Dir(dir) {
		more, _ := filepath.Glob(dir)
		dirs = append(dirs, more...)
	}
	return dirs
}

// nearestDir is a directory, or the nearest one above where it may come to be.
func nearestDir(path string) string {
	for path != "/" {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return path
		}
		path = filepath.Dir(path)
	}
	return path
}

// followLinks watches where links lead, and nothing that nobody wants any more.
func (g *Glob) followLinks() {
	if g.watch == nil {
		return
	}
	wanted := map[string]bool{}
	for _, dir := range g.dirs() {
		wanted[dir] = true
	}
	for _, e := range g.entries {
		for _, p := range e.places {
			wanted[p.dir] = true
		}
	}
	for _, dir := range g.watch.list() {
		if !wanted[dir] {
			g.watch.remove(dir)
		}
	}
	for dir := range wanted {
		if !g.watch.has(dir) {
			_ = g.watch.add(dir)
		}
	}
}
