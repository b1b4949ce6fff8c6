package monitor

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/emperor-go/emperor/internal/cause"
	"github.com/emperor-go/emperor/internal/claims"
	"github.com/emperor-go/emperor/internal/reads"
)

// maxName is the length of a name that uWSGI's Emperor refuses, in bytes.
const maxName = 255

// entry is the state of one name.
type entry struct {
	path    string
	at      Entry
	config  Config
	stat    fileStat
	missing time.Time // since when the name is missing; zero: it exists
	home    dirIdentity
	busy    *Config   // the name with its place, if a program had it open for writing at the last read
	tried   time.Time // the time of that read
	denied  bool      // its file system was too slow, or another emperor has it; it is retried
	reading bool      // it is being read
	again   bool      // and must be read again
	places  []place   // other places where it can change, for a link
}

// IsVassal reports whether a file of that name makes a vassal, when files with one of these
// extensions do: names that begin with a dot or end with a tilde, as backups of editors do,
// make none.
func IsVassal(name string, extensions []string) bool {
	return !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, "~") &&
		slices.ContainsFunc(extensions, func(e string) bool { return strings.HasSuffix(name, e) })
}

// isVassal reports whether a file of that name is a configuration.
func (f *files) isVassal(name string) bool { return IsVassal(name, f.options.Extensions) }

// entry returns the state of a name, which it creates if necessary.
func (f *files) entry(c Config) *entry {
	e := f.entries[c.Name]
	if e == nil {
		e = &entry{path: c.Path, at: c.Entry}
		f.entries[c.Name] = e
	}
	if e.at != c.Entry { // its path leads to another directory than before
		f.claims.Drop(e.at.Dir, e.at.Name)
		e.at = c.Entry
		if e.config.Name != "" {
			e.config.Entry, f.report.changed = c.Entry, true
		}
	}
	return e
}

// refresh starts to read the file of c, in the directory at home.
func (f *files) refresh(at dirIdentity, c Config) {
	e := f.entry(c)
	e.home = at
	if e.again = e.reading; e.again {
		return
	}
	if len(filepath.Base(c.Path)) >= maxName {
		f.refuse(e, c, fmt.Errorf("its name is longer than %d bytes", maxName-1))
		return
	}
	e.reading = true
	known, now := e.stat, f.pace.now
	f.begin(c.Path, func(touch reads.At) func() {
		var r result
		if r.err = f.claimEntry(c); r.err == nil {
			r = f.read(touch, at, c.Path, known)
		}
		r.left = now.hasty && !r.gone && !r.same && (r.err != nil || !now.accepts(c.Path, r.stat.touched(), f.pace.settle))
		return func() { f.takeResult(e, c, r) }
	}, func() {
		e.reading, e.denied = false, true
		f.refuse(e, c, fmt.Errorf("cannot be read: %w", reads.ErrSlow))
	}, func() { f.reportReading(e, c) })
}

// reportReading adds a new name to the set although its file is still being read, because it is known
// to exist.
func (f *files) reportReading(e *entry, c Config) {
	if e.config.Name == "" {
		f.refuse(e, c, ErrReading)
	}
}

// takeResult processes the result of a read. A file that has changed since the read began, or whose
// state was dropped because the read took so long, is read again.
func (f *files) takeResult(e *entry, c Config, r result) {
	if f.entries[c.Name] != e {
		r.close()
		return
	}
	if r.left {
		r.close()
		e.reading, e.again, e.places = false, true, r.places
		f.pace.now.left, f.report.due = f.pace.now.hasty, f.report.due || !f.pace.now.hasty
		return
	}
	if r.program != nil {
		f.execute(e, c, r)
		return
	}
	e.reading = false
	if e.again = e.again || r.moved || r.same && e.stat != r.stat; e.again {
		f.report.due = true
	}
	if r.moved {
		return
	}
	held, contended := errors.AsType[claims.HeldError](r.err)
	e.busy, e.tried, e.places = nil, time.Now(), r.places
	if errors.Is(r.err, errBusy) {
		e.busy = &c
	}
	e.denied = contended || errors.Is(r.err, reads.ErrSlow)
	switch {
	case r.gone:
		f.absent(c.Name, e)
		return
	case contended:
		r.err = held.Runs()
	case e.denied:
		r.err = fmt.Errorf("cannot be read: %w", reads.ErrSlow)
	}
	e.missing = time.Time{}
	switch {
	case e.busy != nil:
		if errors.Is(e.config.Err, ErrReading) {
			e.config, f.report.changed = Config{}, true
		}
	case r.same:
	case r.err != nil:
		if refused, ok := errors.AsType[*OwnerError](r.err); ok {
			c.UID, c.Owned = refused.UID, true
		}
		f.refuse(e, c, cause.Of(r.err))
	default:
		e.stat = r.known()
		c.Data, c.Printed, c.UID, c.GID, c.Owned = r.data, r.printed, r.stat.uid, r.stat.gid, f.options.Owners != nil
		c.Version = versionOf(r.data, r.stat.touched())
		f.accept(e, c)
	}
}

// accept adds c unless it is unchanged.
func (f *files) accept(e *entry, c Config) {
	old := e.config
	if old.Err == nil && old.Name != "" && !after(old.Version, c.Version) && old.UID == c.UID && old.GID == c.GID {
		return
	}
	e.config, f.report.changed = c, true
}

// refuse records a file that cannot be used, with the reason.
func (f *files) refuse(e *entry, c Config, err error) {
	e.stat = fileStat{}
	if e.config.Err != nil && e.config.Err.Error() == err.Error() && e.config.UID == c.UID {
		return
	}
	c.Err = err
	e.config, f.report.changed = c, true
}

// absent handles a missing name, which is removed after a while.
func (f *files) absent(name string, e *entry) {
	if e.missing.IsZero() {
		e.missing = time.Now()
	}
	if time.Since(e.missing) < removalDelay && e.config.Name != "" {
		return
	}
	delete(f.entries, name)
	f.claims.Drop(e.at.Dir, e.at.Name)
	f.report.changed = f.report.changed || e.config.Name != ""
}

// set returns every configuration, except files that were busy from the start.
func (f *files) set() Set {
	configs := make(map[string]Config, len(f.entries))
	for name, e := range f.entries {
		if e.config.Name != "" {
			configs[name] = e.config
		}
	}
	return sorted(configs)
}
