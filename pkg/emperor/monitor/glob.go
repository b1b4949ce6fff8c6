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

// Glob monitors a pattern of paths: each regular file that it fits and that has a
// known extension is a vassal. Its path, spelled as in the pattern, is the vassal's
// name, and the vassal's working directory is the one of this process, as in uWSGI's
// glob monitor. It learns of changes by inotify(7) in every directory that the
// pattern leads through.
type Glob struct {
	files
	given   string // the pattern as it was written
	dir     string // where it starts if it is relative
	pattern string // absolute
	base    string // the directory where the pattern begins to be one
}

// NewGlob returns a monitor of a pattern (see Expand). A path without wildcards is
// the pattern of one file. Malformed patterns are an error.
func NewGlob(pattern string, o DirOptions) (*Glob, error) {
	dir, err := os.Getwd()
	if err == nil || filepath.IsAbs(pattern) {
		_, err = filepath.Match(pattern, "")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot monitor %q: %w", pattern, err)
	}
	if dir == "" {
		dir = "/"
	}
	absolute := filepath.Clean(within(dir, pattern))
	g := &Glob{files: newFiles(o), given: pattern, dir: dir, pattern: absolute, base: filepath.Dir(absolute)}
	if at := strings.IndexAny(absolute, special); at >= 0 {
		g.base = filepath.Clean(absolute[:strings.LastIndex(absolute[:at], "/")+1])
	}
	return g, nil
}

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
	seen := map[string]bool{}
	for _, name := range Expand(g.dir, g.given) {
		seen[name] = g.counts(filepath.Base(name))
	}
	for name := range g.entries {
		seen[name] = true
	}
	for name, isConfig := range seen {
		if isConfig && g.refreshName(name) {
			changed = true
		}
	}
	g.followLinks()
	return changed
}

// refreshName looks at one file. What cannot be looked at stays as it was.
func (g *Glob) refreshName(name string) (changed bool) {
	path := filepath.Clean(within(g.dir, name))
	dir, err := os.OpenFile(filepath.Dir(path), unix.O_PATH|oDirectory, 0)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return g.absent(name)
	case err != nil:
		return false
	}
	defer dir.Close()
	return g.refresh(int(dir.Fd()), Config{Name: name, Path: path, Dir: g.dir})
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
		dirs = append(dirs, Expand("/", dir)...)
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
