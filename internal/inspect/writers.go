package inspect

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/emperor-go/emperor/pkg/config"
)

// Trust is what decides about the vassals of an emperor: whoever can write to it
// decides with the emperor's rights.
type Trust struct {
	// UID and GID are the emperor's user and group, beside root and its group.
	UID, GID uint32
	// Dirs are watched, and Files are read, by their paths.
	Dirs, Files []string
}

// Open finds what others can write to, each path once, directories first. A path that
// cannot be looked at is none: it is told elsewhere.
func (t Trust) Open() (found []Finding) {
	told := map[string]bool{}
	tell := func(path, who, what string) {
		if who != "" && !told[path] {
			told[path] = true
			found = append(found, Finding{"writable-by-others", Warning, config.Problem{
				Origin: config.Origin{File: path}, What: who + " can " + what + ", which runs with the emperor's rights", Hint: "chown root, chmod go-w",
			}})
		}
	}
	dirs := slices.Clone(t.Dirs)
	for _, file := range t.Files {
		if real, err := filepath.EvalSymlinks(file); err == nil && real != file {
			dirs = append(dirs, filepath.Dir(real)) // where the link leads to
		}
	}
	for _, dir := range dirs {
		for _, at := range above(dir) {
			if at == dir {
				tell(at, t.writer(at, true), "put a file there")
			} else {
				tell(at, t.writer(at, false), "put another directory in the place of "+dir)
			}
		}
	}
	for _, file := range t.Files {
		tell(file, t.writer(file, true), "write to this file")
	}
	return found
}

// above lists a directory, and those in which others could put another in the place
// of it or of a link to it.
func above(dir string) (list []string) {
	list = append(list, dir)
	for _, resolve := range []func(string) (string, error){filepath.Abs, filepath.EvalSymlinks} {
		at, err := resolve(dir)
		if err == nil {
			at, err = filepath.Abs(at)
		}
		for err == nil && at != filepath.Dir(at) {
			at = filepath.Dir(at)
			list = append(list, at)
		}
	}
	return list
}

// writer names one who can write to a path beside root and the emperor. In a sticky
// directory that is not the last one of a path, others cannot touch what is not
// theirs (chmod(2)).
func (t Trust) writer(path string, last bool) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	sticky := info.Mode()&os.ModeSticky != 0 && !last
	switch mode := info.Mode().Perm(); {
	case s.Uid != 0 && s.Uid != t.UID:
		return fmt.Sprintf("uid %d", s.Uid)
	case sticky:
		return ""
	case mode&0o002 != 0:
		return "every user"
	case mode&0o020 != 0 && s.Gid != 0 && s.Gid != t.GID:
		return fmt.Sprintf("gid %d", s.Gid)
	}
	return ""
}

// Sources are the files that an emperor's own options come from, and its templates.
func Sources(e *config.Emperor) (files []string) {
	for _, s := range e.Settings(false) {
		files = append(files, s.Origin.File)
	}
	t := e.Templates
	files = append(files, slices.Concat(t.InheritBefore, t.IncludeBefore, t.Inherit, t.Include)...)
	files = slices.DeleteFunc(files, func(name string) bool { return !filepath.IsAbs(name) && !strings.Contains(name, "/") })
	slices.Sort(files)
	return slices.Compact(files)
}
