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

// Trust lists the directories and files that decide which vassals an emperor runs. A user who
// can write to one of them acts with the emperor's rights.
type Trust struct {
	// UID and GID are the emperor's user and group. They are trusted, and so are root and its
	// group.
	UID, GID uint32
	// Dirs are monitored and Files are read, both by path.
	Dirs, Files []string
}

// Open finds the paths that other users can write to, each path once, directories first. It
// leaves out a path that it cannot read: another check reports that.
func (t Trust) Open() (found []Finding) {
	reported := map[string]bool{}
	report := func(path, who, what string) {
		if who != "" && !reported[path] {
			reported[path] = true
			found = append(found, Finding{"writable-by-others", Warning, config.Problem{
				Origin: config.Origin{File: path}, What: who + " can " + what + ", which runs with the emperor's rights", Hint: "chown root, chmod go-w",
			}})
		}
	}
	dirs := slices.Clone(t.Dirs)
	for _, file := range t.Files {
		if real, err := filepath.EvalSymlinks(file); err == nil && real != file {
			dirs = append(dirs, filepath.Dir(real)) // the destination of the link
		}
	}
	for _, dir := range dirs {
		for _, at := range above(dir) {
			if at == dir {
				report(at, t.writer(at, true), "put a file there")
			} else {
				report(at, t.writer(at, false), "put another directory in the place of "+dir)
			}
		}
	}
	for _, file := range t.Files {
		report(file, t.writer(file, true), "write to this file")
	}
	return found
}

// above returns a directory and the directories in which other users could replace it, or a
// link to it.
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

// writer names a user other than root and the emperor who can write to a path. In a sticky
// directory that is not the last of a path, users cannot touch files of others (chmod(2)).
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

// Sources returns the files of an emperor's own options, and its templates.
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
