package monitor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/reads"
)

// Glob monitors a pattern of paths: each regular file that matches it and that has a known
// extension is a vassal. Its path, spelled as in the pattern, is the vassal's name, and the
// vassal's working directory is this process's, as in uWSGI's glob monitor. It gets changes by
// fsnotify in every directory of the pattern. A directory that does not answer does not
// delay the others.
type Glob struct {
	files
	pattern globPattern
	dirs    map[string]*patternDir

	// The possible subjects of events, since the last rescan.
	watched map[string]bool // directories; true: of files and nothing else
	turns   map[place]bool  // places where a path can get another destination
}

// globPattern is a pattern of paths.
type globPattern struct {
	path  string   // absolute
	dir   string   // the directory of a relative pattern
	base  string   // the directory before the first wildcard, with its spelling
	parts []string // of the pattern below that
}

// patternDir is a directory of a pattern, by its name as the pattern spells it.
type patternDir struct {
	path   string  // absolute
	last   bool    // it contains the files
	places []place // places where its path can get another destination
}

// NewGlob returns a monitor of a pattern (see Expand). A path without wildcards is the pattern
// of one file. Malformed patterns are an error.
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
	g := &Glob{files: newFiles(o), pattern: globPattern{dir: dir, path: filepath.Clean(within(dir, pattern))}, dirs: map[string]*patternDir{}}
	g.single = true
	g.pattern.base, g.pattern.parts = cut(pattern)
	return g, nil
}

// String returns the absolute pattern.
func (g *Glob) String() string { return "glob://" + g.pattern.path }

// path is the absolute path of a name.
func (g *Glob) path(name string) string { return filepath.Clean(within(g.pattern.dir, name)) }

// Run implements Monitor.
func (g *Glob) Run(ctx context.Context, report func(Set)) error {
	g.open(ctx, g.pattern.path)
	defer g.close()
	return g.loop(ctx, g, report)
}

// mark reports whether one of the hints may change the set; names like
// editors' temporary files do not. A rescan reads everything.
func (g *Glob) mark(hints []hint) bool {
	for _, h := range hints {
		last, known := g.watched[h.dir]
		if h.entry == "" || known && (!last || g.isVassal(h.entry)) || g.turns[h.place()] {
			return true
		}
	}
	return false
}

func (g *Glob) lacksEvents() bool { return g.watch == nil || len(g.memory.dirErrors) > 0 }

// readMarked visits every directory of the pattern.
func (g *Glob) readMarked() {
	g.visit(g.pattern.base, g.pattern.parts, nil)
}

// visit reads a directory for the entries that match the next part of the pattern: files, or
// more directories to visit. late as in pendingRead.
func (g *Glob) visit(name string, parts []string, late func()) {
	w := g.dirs[name]
	if w == nil {
		w = &patternDir{path: g.path(name), last: len(parts) == 1}
		g.dirs[name] = w
	}
	known := g.memory.identities[w.path]
	g.begin(w.path, func(touch reads.At) func() {
		found, err := g.examine(touch, w.path, known, strings.ContainsAny(parts[0], special), func(d *os.File) ([]string, error) {
			return matching(d, parts[0])
		})
		if err == nil && !found.listed {
			found.names = []string{parts[0]}
		}
		return func() { g.visited(name, found, parts, err) }
	}, func() { g.visited(name, foundDir{path: w.path}, parts, reads.ErrSlow) }, late)
}

// visited processes the entries of a directory. One that cannot be read changes nothing; a
// missing one removes its files, unless the pattern begins there.
func (g *Glob) visited(dir string, found foundDir, parts []string, err error) {
	w := g.dirs[dir]
	switch {
	case w == nil: // it took so long that it is gone
		return
	case dir != g.pattern.base && (errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)):
		g.dirGone(dir)
		return
	case err != nil:
		g.dirFailed(found.path, err)
		return
	case !g.trusted(found):
		return
	}
	w.places = found.places
	there := map[string]bool{}
	for _, entry := range found.names {
		name := below(dir, entry)
		there[name] = true
		switch {
		case !w.last:
			g.visit(name, parts[1:], func() {})
		case g.isVassal(entry):
			g.refresh(found.home, Config{Name: name, Path: g.path(name), Dir: g.pattern.dir, Entry: Entry{found.id, entry}})
		}
	}
	g.forget(dir, func(name string) bool { return !there[name] })
}

// dirGone records that a directory is gone, with all its content.
func (g *Glob) dirGone(dir string) {
	g.forget(dir, func(string) bool { return true })
	g.dropDir(dir)
}

// dropDir stops following a directory.
func (g *Glob) dropDir(dir string) {
	path := g.dirs[dir].path
	delete(g.dirs, dir)
	delete(g.memory.identities, path)
	delete(g.memory.dirErrors, path)
}

// forget drops everything in or below a directory whose first name there is gone.
func (g *Glob) forget(dir string, gone func(name string) bool) {
	inside := below(dir, "")
	lost := func(name string) bool {
		rest, ok := strings.CutPrefix(name, inside)
		first, _, _ := strings.Cut(rest, "/")
		return ok && name != dir && gone(inside+first)
	}
	for name, e := range g.entries {
		if lost(name) {
			g.absent(name, e)
		}
	}
	for name := range g.dirs {
		if lost(name) {
			g.dropDir(name)
		}
	}
}

// updateWatches watches exactly the directories and links of the pattern.
func (g *Glob) updateWatches() {
	if g.watch == nil {
		return
	}
	g.watched, g.turns = map[string]bool{}, map[place]bool{}
	wanted := map[string]bool{}
	for _, w := range g.dirs {
		last, twice := g.watched[w.path]
		g.watched[w.path], wanted[w.path] = w.last && (last || !twice), true
		for _, p := range w.places {
			g.turns[p], wanted[p.dir] = true, true
		}
	}
	for _, e := range g.entries {
		for _, p := range e.places {
			g.turns[p], wanted[p.dir] = true, true
		}
	}
	g.watchOnly(wanted)
}
