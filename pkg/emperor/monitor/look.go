package monitor

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const oDirectory = unix.O_DIRECTORY | unix.O_CLOEXEC

// maxName is the length of a name that uWSGI's Emperor no longer takes, in bytes.
const maxName = 255

// entry is what is known of one name.
type entry struct {
	config  Config
	stat    fileStat
	missing time.Time // since when the name is gone; zero: it is there
	busy    bool      // somebody was writing when it was last looked at
	places  []place   // where else it can change, for a link
}

// counts reports whether a file of that name is a configuration.
func (d *Dir) counts(name string) bool { return counts(name, d.options.Extensions) }

func counts(name string, extensions []string) bool {
	return !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, "~") &&
		slices.ContainsFunc(extensions, func(e string) bool { return strings.HasSuffix(name, e) })
}

// look reads what is dirty and reports whether the set has changed. When the
// directory cannot be read, everything stays as it was and stays dirty.
func (d *Dir) look() (changed bool) {
	dir, err := os.OpenFile(d.path, os.O_RDONLY|oDirectory, 0)
	if err != nil {
		d.fail(err)
		return false
	}
	defer dir.Close()
	d.rewatch()
	names, err := d.names(dir)
	if err != nil {
		d.fail(err)
		return false
	}
	if d.trouble != "" {
		d.options.Log.Info("the directory can be read again", "directory", d.path)
		d.trouble = ""
	}
	clear(d.dirty)
	for _, name := range names {
		if d.refresh(int(dir.Fd()), name) {
			changed = true
		}
	}
	d.followLinks()
	return changed
}

// names lists what must be looked at: the dirty names, or every name there is
// and every name there was.
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
		for name := range d.entries {
			seen[name] = true
		}
	}
	delete(seen, "")
	names := make([]string, 0, len(seen))
	for name := range seen {
		names = append(names, name)
	}
	return names, nil
}

// refresh looks at one name and reports whether the set has changed by it.
func (d *Dir) refresh(dir int, name string) (changed bool) {
	e := d.entries[name]
	if e == nil {
		e = &entry{}
	}
	return look(d.entries, e, dir, name, Config{Name: name, Path: filepath.Join(d.path, name)}, d.options)
}

// look reads the file that c is about, which is called name in the directory dir,
// into its entry, and reports whether the set of entries has changed by it.
func look(entries map[string]*entry, e *entry, dir int, name string, c Config, o DirOptions) (changed bool) {
	data, stat, same, err := readConfig(dir, name, e.stat, o)
	if len(name) >= maxName {
		err = fmt.Errorf("its name is longer than %d bytes", maxName-1)
	}
	if errors.Is(err, unix.ENOENT) {
		if gone(dir, name) {
			return absent(entries, c.Name, e)
		}
		err = errors.New("is a symbolic link to nothing")
	}
	e.missing, e.busy, e.places = time.Time{}, errors.Is(err, errBusy), nil
	if !o.NoFollow {
		e.places = linkPlaces(filepath.Dir(c.Path), name)
	}
	entries[c.Name] = e
	switch {
	case e.busy || same:
		return false
	case err != nil:
		c.Err = cause(err)
		return e.refuse(c)
	}
	e.stat = stat
	c.Data, c.Version, c.UID, c.GID = data, versionOf(data, stat.touched()), stat.uid, stat.gid
	return e.accept(c)
}

// accept takes c unless nothing of it is new.
func (e *entry) accept(c Config) bool {
	old := e.config
	if old.Err == nil && old.Name != "" && !after(old.Version, c.Version) && old.UID == c.UID && old.GID == c.GID {
		return false
	}
	e.config = c
	return true
}

// refuse notes that there is a file and that it is of no use.
func (e *entry) refuse(c Config) bool {
	e.stat = fileStat{}
	if e.config.Err != nil && e.config.Err.Error() == c.Err.Error() {
		return false
	}
	e.config = c
	return true
}

// absent handles a name that is not there: only after a while is it gone.
func absent(entries map[string]*entry, name string, e *entry) (changed bool) {
	if entries[name] == nil {
		return false
	}
	if e.missing.IsZero() {
		e.missing = time.Now()
	}
	if time.Since(e.missing) < absence && e.config.Name != "" {
		return false
	}
	delete(entries, name)
	return e.config.Name != ""
}

// gone tells a name that does not exist from a link that leads nowhere.
func gone(dir int, name string) bool {
	var s unix.Stat_t
	return errors.Is(unix.Fstatat(dir, name, &s, unix.AT_SYMLINK_NOFOLLOW), unix.ENOENT)
}

// set returns every configuration. Files that were busy from the start are not
// in it.
func (d *Dir) set() Set { return setOf(d.entries) }

func setOf(entries map[string]*entry) Set {
	configs := make(map[string]Config, len(entries))
	for name, e := range entries {
		if e.config.Name != "" {
			configs[name] = e.config
		}
	}
	return sorted(configs)
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
	for _, dir := range d.watch.list() {
		if !wanted[dir] {
			d.watch.remove(dir)
		}
	}
	for dir := range wanted {
		if !d.watch.has(dir) {
			_ = d.watch.add(dir) // the rescan is the safety net
		}
	}
}

// fail notes that the directory cannot be read, and says so once.
func (d *Dir) fail(err error) {
	err = cause(err)
	if d.trouble == err.Error() {
		return
	}
	d.trouble = err.Error()
	d.options.Log.Warn("cannot read the directory; its vassals keep running", "directory", d.path, "error", err)
}

// cause strips the operation and the path from an error: the sentence around it
// names them.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) }
