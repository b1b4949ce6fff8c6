package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// places answers where the vassals of an emperor are. Nil knows nothing but the
// usual names.
type places struct{ *config.Emperor }

// extensions are the ends of names that make a file a vassal.
func (p places) extensions() []string {
	if p.Emperor == nil {
		return config.Extensions()
	}
	return append(config.Extensions(), p.Monitor.Extensions...)
}

// vassal reports whether a monitor takes a file of that name.
func (p places) vassal(name string) bool {
	return !strings.HasPrefix(name, ".") && slices.ContainsFunc(p.extensions(), func(e string) bool { return strings.HasSuffix(name, e) })
}

// patternOf is what a monitor watches that is no directory: glob://PATTERN, or what
// looks like a pattern where no directory has that name, as in uWSGI.
func patternOf(m string) (pattern string, ok bool) {
	if pattern, ok = strings.CutPrefix(m, "glob://"); ok || !strings.ContainsAny(m, "*?[") {
		return pattern, ok
	}
	info, err := os.Stat(m)
	return m, err != nil || !info.IsDir()
}

// files lists what one of the monitors would take.
func (p places) files(m string) (list []string, err error) {
	if pattern, ok := patternOf(m); ok {
		list, err = filepath.Glob(pattern)
	} else {
		var entries []os.DirEntry
		entries, err = os.ReadDir(m)
		for _, e := range entries {
			list = append(list, filepath.Join(m, e.Name()))
		}
	}
	return slices.DeleteFunc(list, func(name string) bool {
		info, err := os.Stat(name)
		return err != nil || !info.Mode().IsRegular() || !p.vassal(filepath.Base(name)) || p.runs(info)
	}), err
}

// runs reports whether it is the output of a file that counts, and not its text.
func (p places) runs(info os.FileInfo) bool {
	return p.Emperor != nil && p.Monitor.MagicExec && info.Mode()&0o111 != 0
}

// watching makes and claims the sources of vassals. What it claimed is held until
// unlock is called, which is also due after an error. A pattern is not claimed.
func (p places) watching(log *slog.Logger) (list []monitor.Monitor, unlock func(), err error) {
	var locks []*os.File
	unlock = func() {
		for _, f := range locks {
			f.Close()
		}
	}
	o := monitor.DirOptions{
		Rescan: p.Rescan, Extensions: p.extensions(), NoFollow: p.Monitor.NoFollow, MagicExec: p.Monitor.MagicExec, Log: log,
	}
	for _, m := range p.Monitors {
		if pattern, ok := patternOf(m); ok {
			g, err := monitor.NewGlob(pattern, o)
			if err != nil {
				return nil, unlock, err
			}
			list = append(list, g)
			continue
		}
		d, err := monitor.NewDir(m, o)
		if err != nil {
			return nil, unlock, err
		}
		f, err := d.Lock()
		if err != nil {
			return nil, unlock, err
		}
		locks = append(locks, f) // closing a nil file does nothing
		list = append(list, d)
	}
	return list, unlock, nil
}
