package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/claims"
	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/reads"
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

// pattern returns the pattern of a monitor that is no directory: glob://PATTERN, a file
// alone, or a name with wildcards where no directory is called so, as in uWSGI.
// A file that is named like a vassal need not be there yet.
func (p places) pattern(m string) (pattern string, ok bool) {
	info, err := os.Stat(m)
	return p.patternAs(m, info, err)
}

// patternAs is pattern with the outcome of a stat(2) of the monitor's name.
func (p places) patternAs(m string, info os.FileInfo, err error) (pattern string, ok bool) {
	if pattern, ok = strings.CutPrefix(m, "glob://"); ok {
		return pattern, true
	}
	switch {
	case err == nil && info.IsDir():
		return "", false
	case strings.ContainsAny(m, "*?[") && err != nil:
		return m, true
	}
	return monitor.Literal(m), p.vassal(filepath.Base(m))
}

// files lists the files that one of the monitors would take.
func (p places) files(m string) (list []monitor.Config, err error) {
	list, err = p.names(m)
	return slices.DeleteFunc(list, func(c monitor.Config) bool {
		info, err := os.Stat(c.Path)
		return err != nil || !info.Mode().IsRegular()
	}), err
}

// names is files with everything that has a vassal's name: the monitor reports directories,
// FIFOs and links to missing files as mistakes.
func (p places) names(m string) (list []monitor.Config, err error) {
	if pattern, ok := p.pattern(m); ok {
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
		return !p.vassal(filepath.Base(c.Name)) || err == nil && p.runs(info)
	}), err
}

// config is the configuration of one file, without its content: as a pattern of the
// emperor's has it, or else as in a directory that is watched.
func (p places) config(file string) monitor.Config {
	path, err := filepath.Abs(file)
	if err != nil {
		path = file
	}
	var list []string
	if p.Emperor != nil {
		list = p.Monitors
	}
	for _, m := range list {
		if _, ok := p.pattern(m); !ok {
			continue
		}
		files, _ := p.files(m)
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
func (p places) runs(info os.FileInfo) bool {
	return p.Emperor != nil && p.Monitor.MagicExec && info.Mode()&0o111 != 0
}

// governed is a source of vassals that no other emperor may have.
type governed interface {
	monitor.Monitor
	Lock() error
}

// watching makes and claims the sources of vassals. The caller closes the registry of claims,
// also after an error. The file of claims is kept until ctx ends.
func (p places) watching(ctx context.Context, files *reads.Pool, log *slog.Logger) (list []monitor.Monitor, registry *claims.Registry, err error) {
	uid, _, err := becoming(p.Emperor)
	if err != nil {
		return nil, nil, err
	}
	registry = claims.Open(claims.Places(uid, os.Getenv), uid, log)
	o := monitor.DirOptions{
		Rescan: p.Rescan, Extensions: p.extensions(), NoFollow: p.Monitor.NoFollow, MagicExec: p.Monitor.MagicExec, Claims: registry, Reads: files, Log: log,
	}
	for _, name := range p.Monitors {
		m, err := p.source(name, o)
		if err != nil {
			return list, registry, err
		}
		list = append(list, m)
		if err := m.Lock(); err != nil {
			return list, registry, err
		}
	}
	keepClaims(ctx, registry, log)
	return list, registry, nil
}

// keepClaims restores the file of claims until ctx ends, and returns at once. Without it, or with another one at
// its path, an emperor that starts would run the same files.
func keepClaims(ctx context.Context, registry *claims.Registry, log *slog.Logger) {
	path := registry.Path()
	if path == "" {
		return
	}
	quiet := filepath.Dir(path)
	if quiet == "/tmp" { // it has many changes, of any user: polling is enough
		quiet = ""
	}
	go control.Kept{What: "the file of claims", Path: path, Quiet: quiet, Whole: registry.Whole, Restore: registry.Restore, Log: log}.Keep(ctx)
}

// source makes a monitor by its name.
func (p places) source(m string, o monitor.DirOptions) (governed, error) {
	info, err := reads.Get(context.Background(), o.Reads, m, func() (os.FileInfo, error) { return os.Stat(m) })
	pattern, ok := p.patternAs(m, info, err)
	if !ok {
		return monitor.NewDir(m, o)
	}
	if errors.Is(err, fs.ErrNotExist) && p.vassal(m) && !strings.ContainsAny(m, "*?[") {
		o.Log.Warn("there is no such file yet", "file", m)
	}
	return monitor.NewGlob(pattern, o)
}
