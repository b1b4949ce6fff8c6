package monitor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Dir monitors a directory: each regular file in it with a known extension is a
// vassal, symbolic links followed. It learns of changes by inotify(7), also of
// those at the other end of a link. Names that start with a dot or end with a
// tilde are not looked at.
type Dir struct {
	files
	path  string
	dirty map[string]bool // names to look at; the empty name: all
	links map[place][]string
}

// NewDir returns a monitor of the directory path. It fails when there is no such
// directory or it cannot be read.
func NewDir(path string, o DirOptions) (*Dir, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("cannot monitor %q: %w", path, err)
	}
	f, err := os.OpenFile(absolute, os.O_RDONLY|oDirectory, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot monitor %q: %w", path, cause(err))
	}
	defer f.Close()
	if _, err := f.Readdirnames(1); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("cannot monitor %q: %w", path, cause(err))
	}
	return &Dir{files: newFiles(o), path: absolute, dirty: map[string]bool{"": true}, links: map[place][]string{}}, nil
}

// String returns the absolute path of the directory.
func (d *Dir) String() string { return d.path }

// Run implements Monitor.
func (d *Dir) Run(ctx context.Context, report func(Set)) error {
	d.open(ctx, d.path)
	defer d.close()
	if d.look(); d.trouble != "" {
		return fmt.Errorf("cannot monitor %q: %s", d.path, d.trouble)
	}
	d.loop(ctx, d, report)
	return nil
}

// mark makes dirty what the hints are about and reports whether that is anything.
func (d *Dir) mark(hints []hint) bool {
	for _, h := range hints {
		switch {
		case h.entry == "":
			d.dirty[""] = true
		case h.dir == d.path && d.counts(h.entry):
			d.dirty[h.entry] = true
		}
		for _, name := range d.links[place(h)] {
			d.dirty[name] = true
		}
	}
	return len(d.dirty) > 0
}

// blind is it also when nothing at its path is watched any more.
func (d *Dir) blind() bool { return d.watch == nil || d.trouble != "" || !d.watch.has(d.path) }

// look reads what is dirty and reports whether the set has changed. When the
// directory cannot be read, everything stays as it was and stays dirty.
func (d *Dir) look() (changed bool) {
	if d.blind() {
		d.dirty[""] = true
	}
	dir, err := os.OpenFile(d.path, os.O_RDONLY|oDirectory, 0)
	if err != nil {
		d.failed(d.path, err)
		return false
	}
	defer dir.Close()
	d.rewatch()
	names, err := d.names(dir)
	if err != nil {
		d.failed(d.path, err)
		return false
	}
	d.succeeded(d.path)
	clear(d.dirty)
	for _, name := range names {
		if d.refresh(int(dir.Fd()), Config{Name: name, Path: filepath.Join(d.path, name), Dir: d.path}) {
			changed = true
		}
	}
	d.followLinks()
	return changed
}

// names lists what must be looked at: the dirty names and those that may be gone, or
// every name there is and every name there was.
func (d *Dir) names(dir *os.File) ([]string, error) {
	seen := map[string]bool{}
	for name := range d.dirty {
		seen[name] = true
	}
	if d.dirty[""] {
		found, err := dir.Readdirnames(-1)
		if err != nil {
			return nil, err
		}
		for _, name := range found {
			if d.counts(name) {
				seen[name] = true
			}
		}
	}
	for name, e := range d.entries {
		if d.dirty[""] || !e.missing.IsZero() {
			seen[name] = true
		}
	}
	delete(seen, "")
	return slices.Collect(maps.Keys(seen)), nil
}

// rewatch makes sure that the directory that is read is the one that is watched.
// Watching what is watched already changes nothing (inotify_add_watch(2)).
func (d *Dir) rewatch() {
	if d.watch == nil {
		return
	}
	known := d.watch.has(d.path)
	if err := d.watch.add(d.path); err != nil && known {
		d.options.Log.Warn("no events: looking every second", "error", err)
	}
}

// followLinks watches the places on which the entries that are links depend, and
// the directory's own path if it leads through links; and no others.
func (d *Dir) followLinks() {
	if d.watch == nil {
		return
	}
	clear(d.links)
	wanted := map[string]bool{d.path: true}
	depend := func(name string, places []place) {
		for _, p := range places {
			d.links[p] = append(d.links[p], name)
			wanted[p.dir] = true
		}
	}
	depend("", walk("/", d.path, 0))
	for name, e := range d.entries {
		depend(name, e.places)
	}
	d.watchOnly(wanted)
}
