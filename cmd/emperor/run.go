package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// run wires everything, top to bottom, and supervises until ctx ends.
func run(ctx context.Context, hurry <-chan struct{}, o *config.Emperor, warnings config.Problems) error {
	log := slog.New(handler(os.Stderr, o))
	for _, w := range warnings {
		log.Warn(w.Error())
	}
	// What this process inherited is not for vassals and hooks.
	if err := namespaces.CloseOnExecFrom(3); err != nil {
		return err
	}
	program, err := vassalProgram(o.VassalProgram)
	if err != nil {
		return err
	}
	monitors, err := monitors(o, log)
	if err != nil {
		return err
	}
	namespaces.CollectCgroups("emperor-") // of emperors that were killed
	cgroups, err := namespaces.OpenCgroupRoot("emperor-" + strconv.Itoa(os.Getpid()))
	if errors.Is(err, namespaces.ErrNoCgroup) {
		log.Debug("vassals get no cgroups of their own", "error", err)
	} else if err != nil {
		return err
	} else {
		defer func() { _ = cgroups.Remove() }()
	}
	spawner := namespaces.NewSpawner()
	defer spawner.Close()
	if err := become(o); err != nil {
		return err
	}
	log.Info("emperor "+config.Version+" is watching", "monitors", o.Monitors, "namespaces", o.Clone.String(), "pid", os.Getpid())
	system := &emperor.System{
		Program: program, Clone: o.Clone, Hooks: o.Hooks, HookTimeout: o.HookTimeout, Shells: o.Around.Shells, Early: o.EarlyRelease,
		Environ: os.Environ(), Spawner: spawner, Cgroups: cgroups,
	}
	if err := system.Start(ctx, log); err != nil {
		return err
	}
	return emperor.New(emperor.Options{
		Monitors: monitors, Check: check(log), Concurrency: o.Concurrency, Mercy: o.ReloadMercy, Hurry: hurry, Log: log,
		Backoff:  emperor.Backoff{Initial: o.Backoff, Max: o.BackoffMax, Reset: o.BackoffReset},
		Launcher: system,
	}).Run(ctx)
}

func handler(w io.Writer, o *config.Emperor) slog.Handler {
	if o.JSONLog {
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: o.LogLevel})
	}
	return termlog.New(w, termlog.Options{Level: o.LogLevel, Time: true, Prefix: "vassal"})
}

func monitors(o *config.Emperor, log *slog.Logger) ([]monitor.Monitor, error) {
	var list []monitor.Monitor
	for _, path := range o.Monitors {
		d, err := monitor.NewDir(path, monitor.DirOptions{Rescan: o.Rescan, Log: log})
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// check parses a vassal's configuration as the vassal will, and logs what is
// only worth a warning.
func check(log *slog.Logger) func(monitor.Config) error {
	return func(c monitor.Config) error {
		_, warnings, err := config.Input{
			Source: config.Source{Name: c.Name, Path: c.Path, Data: c.Data},
			Access: config.Access{Environ: os.Environ(), Partial: true},
		}.Parse()
		for _, w := range warnings {
			log.Debug(w.Error(), "vassal", c.Name)
		}
		return err
	}
}

// vassalProgram finds the program that vassals run: the one named, or the one
// beside this program, or the one in PATH.
func vassalProgram(named string) (string, error) {
	if named == "" {
		if self, err := os.Executable(); err == nil {
			named = filepath.Join(filepath.Dir(self), "vassal")
		}
		if _, err := exec.LookPath(named); err != nil {
			named = "vassal"
		}
	}
	path, err := exec.LookPath(named)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return "", fmt.Errorf("cannot find the vassal program: %w (install it beside emperor, or give --emperor-vassal)", err)
	}
	return path, nil
}
