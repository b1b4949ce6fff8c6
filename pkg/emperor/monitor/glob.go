package monitor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Glob monitors a pattern of paths (filepath.Match): each regular file that it fits
// and that has a known extension is a vassal, and its path is the vassal's name, as
// in uWSGI's glob monitor. It learns of changes by inotify(7) in every directory
// that the pattern leads through.
type Glob struct {
	files
	pattern string
	base    string // the directory where the pattern begins to be one
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
	g := &Glob{files: newFiles(o), pattern: absolute, base: filepath.Dir(absolute)}
	if at := strings.IndexAny(absolute, special); at >= 0 {
		g.base = filepath.Clean(absolute[:strings.LastIndex(absolute[:at], "/")+1])
	}
	return g, nil
}

// special are the bytes that make a pattern of a path.
const special = `*?[\`

// String returns the absolute pattern.
func (g *Glob) String() string { return "glob://" + g.pattern }

// Run implements Monitor.
func (g *Glob) Run(ctx context.Context, report func(Set)) error {
	g.open(ctx, g.pattern)
	defer g.close()
	g.look()
	g.loop(ctx, g, report)
	return nil
}

// mark reports whether one of the hints may change anything: names like those of
// editors' temporary files do not. A look is at everything.
func (g *Glob) mark(hints []hint) bool {
	for _, h := range hints {
		if h.dir != filepath.Dir(g.pattern) || h.entry == "" || g.counts(h.entry) {
			return true
		}
	}
	return false
}

func (g *Glob) blind() bool { return g.watch == nil || g.trouble != "" }

// look reads what has changed and reports whether the set has. While the directory
// cannot be read in which the pattern begins, everything stays as it was.
func (g *Glob) look() (changed bool) {
	g.rewatch() // first: what comes later than the look makes an event
	if _, err := os.ReadDir(g.base); err != nil {
		g.failed(g.base, err)
		return false
	}
	g.succeeded(g.base)
	paths, _ := filepath.Glob(g.pattern)
	seen := map[string]bool{}
	for _, path := range paths {
		seen[path] = g.counts(filepath.Base(path))
	}
	for path := range g.entries {
		seen[path] = true
	}
	for path, isConfig := range seen {
		if isConfig && g.refreshPath(path) {
			changed = true
		}
	}
	g.followLinks()
	return changed
}

// refreshPath looks at one path. What cannot be looked at stays as it was.
func (g *Glob) refreshPath(path string) (changed bool) {
	dir, err := os.OpenFile(filepath.Dir(path), unix.O_PATH|oDirectory, 0)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return g.absent(path)
	case err != nil:
		return false
	}
	defer dir.Close()
	return g.refresh(int(dir.Fd()), Config{Name: path, Path: path})
}

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
	g.watchOnly(wanted)
}
