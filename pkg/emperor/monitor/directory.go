package monitor

import (
	"errors"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/cause"
	"github.com/emperor-go/emperor/internal/claims"
	"github.com/emperor-go/emperor/internal/reads"
)

const oDirectory = unix.O_DIRECTORY | unix.O_CLOEXEC

// dirIdentity identifies a directory: its file system and the mount of it. Another one at the same
// path is another directory.
type dirIdentity struct{ device, mount uint64 }

// identityOf does not access a file system that hangs (statx(2)).
func identityOf(dir *os.File) (dirIdentity, error) {
	var s unix.Statx_t
	err := unix.Statx(int(dir.Fd()), "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_MNT_ID, &s)
	return dirIdentity{unix.Mkdev(s.Dev_major, s.Dev_minor), s.Mnt_id}, err
}

// foundDir is a directory as a rescan has found it.
type foundDir struct {
	path   string
	id     claims.Dir
	home   dirIdentity
	names  []string // of the entries, if it was listed
	listed bool
	places []place // places where its path can get another destination; they are watched
}

// examine examines the directory path and lists it; when it is known, only with always. It
// watches the directory first, so that later changes make events.
func (f *files) examine(at reads.At, path string, known dirIdentity, always bool, list func(*os.File) ([]string, error)) (d foundDir, err error) {
	d.path = path
	if d.places, err = walk(at, "/", path, 0); err != nil {
		return d, err
	}
	d.places = f.watchPlaces(d.places)
	if err := at(path); err != nil {
		return d, err
	}
	dir, err := os.OpenFile(path, os.O_RDONLY|oDirectory, 0)
	if errors.Is(err, unix.EACCES) && !always { // known names can still be read
		dir, err = os.OpenFile(path, unix.O_PATH|oDirectory, 0)
	}
	if err != nil {
		return d, err
	}
	defer dir.Close()
	if f.watch != nil {
		known := f.watch.has(path)
		if err := f.watch.add(path); err != nil && known {
			f.options.Log.Warn("no events: polling every second", "error", err)
		}
	}
	if d.id, err = claims.DirOf(dir); err != nil {
		return d, err
	}
	if d.home, err = identityOf(dir); err != nil {
		return d, err
	}
	if d.listed = always || d.home != known; d.listed {
		d.names, err = list(dir)
	}
	return d, err
}

// errCovered is the reason why an empty directory is not trusted.
var errCovered = errors.New("an empty file system lies over it, or its own is no longer mounted")

// trusted records that a directory could be read, and reports whether its entries count: with
// another file system than before and none of the files, those may be under it.
func (f *files) trusted(d foundDir) bool {
	before := f.memory.identities[d.path]
	if d.covers(before) && f.hasBelow(d.path) {
		f.dirFailed(d.path, errCovered)
		return false
	}
	if before != (dirIdentity{}) && before != d.home {
		f.options.Log.Warn("another file system is at the directory than before: its files count now", "directory", d.path)
	}
	f.memory.identities[d.path] = d.home
	if f.memory.dirErrors[d.path] != "" {
		f.options.Log.Info("the directory can be read again", "directory", d.path)
		delete(f.memory.dirErrors, d.path)
	}
	return true
}

// covers reports whether the directory is empty and on another file system than before, which
// is the zero home for a directory that was not read yet.
func (d foundDir) covers(before dirIdentity) bool {
	return before != (dirIdentity{}) && before != d.home && len(d.names) == 0
}

// hasBelow reports whether a file in or below a directory is in the set.
func (f *files) hasBelow(dir string) bool {
	for _, e := range f.entries {
		if e.config.Name != "" && inside(dir, e.path) {
			return true
		}
	}
	return false
}

// inside reports whether a path is in or below a directory.
func inside(dir, path string) bool {
	return strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// dirFailed records that a directory cannot be read, and logs it once. No file in it counts as
// missing.
func (f *files) dirFailed(dir string, err error) {
	for _, e := range f.entries {
		if inside(dir, e.path) {
			e.missing = time.Time{}
		}
	}
	if err = cause.Of(err); errors.Is(err, reads.ErrSlow) {
		err = reads.ErrSlow // the first time and later
	}
	if f.memory.dirErrors[dir] == err.Error() {
		return
	}
	f.memory.dirErrors[dir] = err.Error()
	f.options.Log.Warn("cannot read the directory; its vassals keep running", "directory", dir, "error", err)
}
