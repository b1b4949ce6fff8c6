package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/config/foreign/parser"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// reading is how the emperor reads the configurations of vassals.
type reading struct {
	files config.TemplateFiles
	held  bool // some of them are on demand
	log   *slog.Logger
	last  sync.Map // of each directory the templates that were read last, config.Templates
}

// check parses a vassal's configuration as the vassal will, logs what is only
// worth a warning, and returns what the emperor must know of it.
func (r *reading) check(c monitor.Config) (f emperor.Facts, err error) {
	in := r.input(c)
	f.Attributes = config.Attributes(in.Source)
	if !r.files.None() {
		dir := filepath.Dir(c.Path)
		if in.Templates, err = r.files.Read(dir); err != nil {
			return f, err
		}
		r.last.Store(dir, in.Templates)
		f.Templates = wired(in.Templates)
	}
	v, warnings, err := in.Parse()
	level := slog.LevelDebug // the vassal will say them
	if err != nil {
		level = slog.LevelWarn // there will be none
	}
	for _, w := range warnings {
		r.log.Log(context.Background(), level, w.Error(), "vassal", c.Name)
	}
	if err == nil {
		f.LogTo = v.LogTo
		f.Addresses = addresses(v)
	} else {
		f.Fallback = in.FallbackOf() != ""
	}
	return f, err
}

// addresses are those that a vassal binds itself.
func addresses(v *config.Vassal) []string {
	list := slices.Clone(v.Listening.Shared)
	for _, s := range v.Sockets {
		if _, shared := s.Shared(); !shared {
			list = append(list, s.Address)
		}
	}
	return list
}

// input is a vassal's configuration as the emperor reads it, which opens and runs
// nothing that the file names, with the templates as they were read last.
func (r *reading) input(c monitor.Config) config.Input {
	in := config.Input{
		Source: config.Source{Name: c.Name, Path: c.Path, Data: c.Data},
		Access: config.Access{Dir: filepath.Dir(c.Path), Environ: os.Environ(), Partial: true, Foreign: parser.Parse, Held: r.held},
	}
	if last, ok := r.last.Load(filepath.Dir(c.Path)); ok {
		in.Templates = last.(config.Templates) // nothing else is stored
	}
	return in
}

// compare tells by the option tables what it takes for a changed configuration to
// take effect. What does not parse was checked by others before: it is never
// compared.
func (r *reading) compare(was, is monitor.Config) emperor.Change {
	before, _, err := r.input(was).Parse()
	if err != nil {
		return emperor.Change{Respawn: true, Options: []string{err.Error()}}
	}
	after, _, err := r.input(is).Parse()
	if err != nil {
		return emperor.Change{Respawn: true, Options: []string{err.Error()}}
	}
	var change emperor.Change
	var mild []string
	for _, d := range config.Diff(before, after) {
		if d.Change == config.Respawn {
			change.Respawn, change.Options = true, append(change.Options, d.Option)
			continue
		}
		mild = append(mild, d.Option)
	}
	if !change.Respawn {
		change.Options = mild
	}
	return change
}

// foreign is for vassals that become another program: only it knows what its
// configuration means, and takes over any change. The attributes are the emperor's.
func foreign(log *slog.Logger) (func(monitor.Config) (emperor.Facts, error), func(was, is monitor.Config) emperor.Change) {
	return func(c monitor.Config) (emperor.Facts, error) {
			source := config.Source{Name: c.Name, Path: c.Path, Data: c.Data}
			return emperor.Facts{Attributes: config.Attributes(source)}, nil
		},
		func(_, is monitor.Config) emperor.Change {
			log.Debug("the program itself takes over what changed", "vassal", is.Name)
			return emperor.Change{}
		}
}
