package main

import (
	"log/slog"
	"os"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// check parses a vassal's configuration as the vassal will, logs what is only
// worth a warning, and returns what the emperor must know of it.
func check(log *slog.Logger) func(monitor.Config) (emperor.Facts, error) {
	return func(c monitor.Config) (f emperor.Facts, err error) {
		v, warnings, err := parse(c)
		for _, w := range warnings {
			log.Debug(w.Error(), "vassal", c.Name)
		}
		if err == nil {
			f.LogTo = v.LogTo
		}
		return f, err
	}
}

func parse(c monitor.Config) (*config.Vassal, config.Problems, error) {
	return config.Input{
		Source: config.Source{Name: c.Name, Path: c.Path, Data: c.Data},
		Access: config.Access{Environ: os.Environ(), Partial: true},
	}.Parse()
}

// compare tells by the option tables what it takes for a changed configuration to
// take effect. What does not parse was checked by others before: it is never
// compared.
func compare(was, is monitor.Config) emperor.Change {
	before, _, err := parse(was)
	if err != nil {
		return emperor.Change{Respawn: true, Options: []string{err.Error()}}
	}
	after, _, err := parse(is)
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
// configuration means, and takes over any change.
func foreign(log *slog.Logger) (func(monitor.Config) (emperor.Facts, error), func(was, is monitor.Config) emperor.Change) {
	return func(monitor.Config) (emperor.Facts, error) { return emperor.Facts{}, nil },
		func(_, is monitor.Config) emperor.Change {
			log.Debug("the program itself takes over what changed", "vassal", is.Name)
			return emperor.Change{}
		}
}
