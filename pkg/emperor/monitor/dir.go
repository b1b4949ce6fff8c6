package monitor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"

	"github.com/emperor-go/emperor/internal/cause"
	"github.com/emperor-go/emperor/internal/reads"
)

// Dir monitors a directory: each regular file in it with a known extension is a vassal;
// symbolic links are followed. It gets changes from fsnotify, also of the targets of links. It
// ignores names that start with a dot or end with a tilde.
type Dir struct {
	files
	path      string
	ownPlaces []place         // places where the path itself can change
	dirty     map[string]bool // names to read; the empty name: all
	links     map[place][]string
}

// NewDir returns a monitor of the directory path. It fails when there is no such directory or
// it cannot be read. A file system that does not answer is waited for later.
func NewDir(path string, o DirOptions) (*Dir, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("cannot monitor %q: %w", path, err)
	}
	d := &Dir{files: newFiles(o), path: absolute, dirty: map[string]bool{"": true}, links: map[place][]string{}}
	err = d.options.Reads.Do(context.Background(), absolute, func(reads.At) error {
		f, err := os.OpenFile(absolute, os.O_RDONLY|oDirectory, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := f.Readdirnames(1); !errors.Is(err, io.EOF) {
			return err
		}
		return nil
	})
	if err != nil && !errors.Is(err, reads.ErrSlow) {
		return nil, fmt.Errorf("cannot monitor %q: %w", path, cause.Of(err))
	}
	return d, nil
}

// String returns the absolute path of the directory.
func (d *Dir) String() string { return d.path }

// Run implements Monitor.
func (d *Dir) Run(ctx context.Context, report func(Set)) error {
	d.open(ctx, d.path)
	defer d.close()
	return d.loop(ctx, d, report)
}

// mark marks the subjects of the hints as dirty and reports whether there are any.
func (d *Dir) mark(hints []hint) bool {
	for _, h := range hints {
		switch {
		case h.entry == "":
			d.dirty[""] = true
		case h.dir == d.path && d.isVassal(h.entry):
			d.dirty[h.entry] = true
		}
		for _, name := range d.links[h.place()] {
			d.dirty[name] = true
		}
	}
	return len(d.dirty) > 0
}

// lacksEvents also reports true when nothing at its path is watched any more.
func (d *Dir) lacksEvents() bool {
	return d.watch == nil || len(d.memory.dirErrors) > 0 || !d.watch.has(d.path)
}

// readMarked reads the dirty names. When the directory cannot be read, everything stays unchanged
// and dirty.
func (d *Dir) readMarked() {
	if d.lacksEvents() {
		d.dirty[""] = true
	}
	names := map[string]bool{}
	for name := range d.dirty {
		names[name] = true
	}
	clear(d.dirty)
	known, all, below := d.memory.identities[d.path], names[""], d.hasBelow(d.path)
	d.begin(d.path, func(touch reads.At) func() {
		found, err := d.examine(touch, d.path, known, all, d.list)
		if err == nil && (!below || !found.covers(known)) { // a claim would keep it mounted
			err = d.claim(found.id)
		}
		return func() { d.examined(found, names, err) }
	}, func() { d.examined(foundDir{}, nil, reads.ErrSlow) }, nil)
}

// list returns the relevant names in the directory.
func (d *Dir) list(dir *os.File) (names []string, err error) {
	all, err := dir.Readdirnames(-1)
	for _, name := range all {
		if d.isVassal(name) {
			names = append(names, name)
		}
	}
	return names, err
}

// examined processes the content of the directory and starts the reads: of the requested names
// and names that may be gone, or of every name that exists or existed.
func (d *Dir) examined(found foundDir, names map[string]bool, err error) {
	switch {
	case err != nil:
		if !d.report.reported && !errors.Is(err, reads.ErrSlow) {
			d.report.failure = fmt.Errorf("cannot monitor %q: %w", d.path, cause.Of(err))
		}
		d.dirFailed(d.path, err)
		d.dirty[""] = true
		return
	case !d.trusted(found):
		d.dirty[""] = true
		return
	}
	d.ownPlaces = found.places
	asked := maps.Clone(names)
	for _, name := range found.names {
		names[name] = true
	}
	for name, e := range d.entries {
		if found.listed || !e.missing.IsZero() || e.denied || e.again {
			names[name] = true
		}
	}
	delete(names, "")
	refresh := func(name string) {
		d.refresh(found.home, Config{Name: name, Path: filepath.Join(d.path, name), Dir: d.path, Entry: Entry{found.id, name}})
	}
	if found.listed {
		d.sweep(found, d.calm(names, asked), refresh)
	}
	for name := range names {
		refresh(name)
	}
}

// updateWatches watches exactly the places of links in the directory, and the directory's own path if
// it leads through links.
func (d *Dir) updateWatches() {
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
	depend("", d.ownPlaces)
	for name, e := range d.entries {
		depend(name, e.places)
	}
	d.watchOnly(wanted)
}
