// Package vassalfiles finds and reads the files of an emperor's vassals, for the emperor itself and
// for commands that read the same files.
package vassalfiles

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// Finder finds the vassals of an emperor with these options. Without options it knows the
// default names only.
type Finder struct{ *config.Emperor }

// Extensions are the ends of names that make a file a vassal.
func (f Finder) Extensions() []string {
	if f.Emperor == nil {
		return config.Extensions()
	}
	return append(config.Extensions(), f.Monitor.Extensions...)
}

// IsVassal reports whether a monitor takes a file of that name.
func (f Finder) IsVassal(name string) bool { return monitor.IsVassal(name, f.Extensions()) }

// Pattern returns the pattern of a monitor that is no directory: glob://PATTERN, a file
// alone, or a name with wildcards where no directory is called so, as in uWSGI.
// A file that is named like a vassal need not be there yet.
func (f Finder) Pattern(m string) (pattern string, ok bool) {
	info, err := os.Stat(m)
	return f.PatternAs(m, info, err)
}

// PatternAs is pattern with the outcome of a stat(2) of the monitor's name.
func (f Finder) PatternAs(m string, info os.FileInfo, err error) (pattern string, ok bool) {
	if pattern, ok = strings.CutPrefix(m, "glob://"); ok {
		return pattern, true
	}
	switch {
	case err == nil && info.IsDir():
		return "", false
	case strings.ContainsAny(m, "*?[") && err != nil:
		return m, true
	}
	return monitor.Literal(m), f.IsVassal(filepath.Base(m))
}

// Files lists the files that one of the monitors would take.
func (f Finder) Files(m string) (list []monitor.Config, err error) {
	list, err = f.Names(m)
	return slices.DeleteFunc(list, func(c monitor.Config) bool {
		info, err := os.Stat(c.Path)
		return err != nil || !info.Mode().IsRegular()
	}), err
}

// Names is files with everything that has a vassal's name: the monitor reports directories,
// FIFOs and links to missing files as mistakes.
func (f Finder) Names(m string) (list []monitor.Config, err error) {
	if pattern, ok := f.Pattern(m); ok {
		dir, err := os.Getwd()
		if err != nil && !filepath.IsAbs(pattern) {
			return nil, err
		}
		for _, name := range monitor.Expand(dir, pattern) {
			list = append(list, configAt(name, dir))
		}
	} else {
		var entries []os.DirEntry
		entries, err = os.ReadDir(m)
		dir, _ := filepath.Abs(m)
		for _, e := range entries {
			list = append(list, configAt(e.Name(), dir))
		}
	}
	return slices.DeleteFunc(list, func(c monitor.Config) bool {
		info, err := os.Stat(c.Path)
		return !f.IsVassal(filepath.Base(c.Name)) || err == nil && f.runs(info)
	}), err
}

// Config is the configuration of one file, without its content: as a pattern of the
// emperor's has it, or else as in a directory that is watched.
func (f Finder) Config(file string) monitor.Config {
	path, err := filepath.Abs(file)
	if err != nil {
		path = file
	}
	var list []string
	if f.Emperor != nil {
		list = f.Monitors
	}
	for _, m := range list {
		if _, ok := f.Pattern(m); !ok {
			continue
		}
		files, _ := f.Files(m)
		if i := slices.IndexFunc(files, func(c monitor.Config) bool { return c.Path == path }); i >= 0 {
			return files[i]
		}
	}
	return configAt(filepath.Base(path), filepath.Dir(path))
}

// configAt is a configuration of a name that starts at a directory, without its
// content.
func configAt(name, dir string) monitor.Config {
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return monitor.Config{Name: name, Path: filepath.Clean(path), Dir: dir}
}

// runs reports whether it is the output of a file that counts, and not its text.
func (f Finder) runs(info os.FileInfo) bool {
	return f.Emperor != nil && f.Monitor.MagicExec && info.Mode()&0o111 != 0
}
