package monitor

import (
	"errors"
	"fmt"
	"io/fs"
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
func (f *files) counts(name string) bool {
	return !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, "~") &&
		slices.ContainsFunc(f.options.Extensions, func(e string) bool { return strings.HasSuffix(name, e) })
}

// refresh reads the file that c is about, in the directory dir, into its entry, and
// reports whether the set has changed by it.
func (f *files) refresh(dir int, c Config) (changed bool) {
	e := f.entries[c.Name]
	if e == nil {
		e = &entry{}
	}
	name := filepath.Base(c.Path)
	found, same, err := readConfig(dir, name, e.stat, f.options)
	if len(name) >= maxName {
		err = fmt.Errorf("its name is longer than %d bytes", maxName-1)
	}
	if errors.Is(err, unix.ENOENT) {
		if gone(dir, name) {
			return f.absent(c.Name)
		}
		err = errors.New("is a symbolic link to nothing")
	}
	e.missing, e.busy, e.places = time.Time{}, errors.Is(err, errBusy), nil
	if !f.options.NoFollow {
		e.places = linkPlaces(filepath.Dir(c.Path), name)
	}
	f.entries[c.Name] = e
	switch {
	case e.busy || same:
		return false
	case err != nil:
		c.Err = cause(err)
		return e.refuse(c)
	}
	e.stat = found.stat
	c.Data, c.Printed, c.UID, c.GID = found.data, found.printed, found.stat.uid, found.stat.gid
	c.Version = versionOf(found.data, found.stat.touched())
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
func (f *files) absent(name string) (changed bool) {
	e := f.entries[name]
	if e == nil {
		return false
	}
	if e.missing.IsZero() {
		e.missing = time.Now()
	}
	if time.Since(e.missing) < absence && e.config.Name != "" {
		return false
	}
	delete(f.entries, name)
	return e.config.Name != ""
}

// gone tells a name that does not exist from a link that leads nowhere.
func gone(dir int, name string) bool {
	var s unix.Stat_t
	return errors.Is(unix.Fstatat(dir, name, &s, unix.AT_SYMLINK_NOFOLLOW), unix.ENOENT)
}

// set returns every configuration. Files that were busy from the start are not
// in it.
func (f *files) set() Set {
	configs := make(map[string]Config, len(f.entries))
	for name, e := range f.entries {
		if e.config.Name != "" {
			configs[name] = e.config
		}
	}
	return sorted(configs)
}

// cause strips the operation and the path from an error: the sentence around it
// names them.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
