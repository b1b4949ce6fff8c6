package monitor

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/internal/revision"
)

// calm removes names from the ones to be read whose files need not be read unless they have changed, and returns
// the revisions of these files. asked are names that have changed anyhow.
func (f *files) calm(names map[string]bool, asked map[string]bool) map[string]fileStat {
	calm := map[string]fileStat{}
	if f.options.Owners != nil { // their rules also depend on other directories
		return calm
	}
	for name := range names {
		e := f.entries[name]
		if asked[name] || e == nil || e.config.Name == "" || e.config.Err != nil || e.stat == (fileStat{}) || len(e.places) > 0 ||
			!e.missing.IsZero() || e.denied || e.busy != nil || e.again || e.reading {
			continue
		}
		calm[name] = e.stat
		delete(names, name)
	}
	return calm
}

// sweep examines calm files in a directory with one system call each, and calls refresh for changed
// ones. When that takes too long it calls refresh for all of them.
func (f *files) sweep(in foundDir, calm map[string]fileStat, refresh func(name string)) {
	if len(calm) == 0 {
		return
	}
	f.begin(in.path+"/", func(reads.At) func() { // not the path itself: a file that hangs must not hide the directory
		changed := in.changed(calm)
		return func() {
			for _, name := range changed {
				refresh(name)
			}
		}
	}, func() {
		for name := range calm {
			refresh(name)
		}
	}, func() {})
}

// changed returns the names of files that have changed, or are none any more: all, if the directory is another
// one.
func (d foundDir) changed(files map[string]fileStat) (names []string) {
	dir, err := os.OpenFile(d.path, unix.O_PATH|oDirectory, 0)
	if err == nil {
		defer dir.Close()
		var now dirIdentity
		if now, err = identityOf(dir); err == nil && now != d.home {
			err = unix.ESTALE
		}
	}
	for name, known := range files {
		var s unix.Stat_t
		if err != nil || unix.Fstatat(int(dir.Fd()), name, &s, unix.AT_SYMLINK_NOFOLLOW) != nil || s.Mode&unix.S_IFMT != unix.S_IFREG ||
			known != (fileStat{revision.Of(&s), s.Uid, s.Gid}) {
			names = append(names, name)
		}
	}
	return names
}
