package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/spf13/cobra"

	"github.com/emperor-go/emperor/internal/atomicfile"
	"github.com/emperor-go/emperor/internal/backoff"
	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/eventlog"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// renderCommand writes configuration of other programs that names vassals.
func renderCommand() *cobra.Command {
	r := &rendering{}
	c := operate(&cobra.Command{
		Use: "render [--follow] [--run COMMAND] TEMPLATE FILE", Short: "write a configuration that names the vassals, from a template", Args: cobra.ExactArgs(2),
		Long: "Fills TEMPLATE (Go's text/template) with the vassals. If the result differs from the content of FILE, the command replaces\n" +
			"FILE in one step. --run is a shell command to run after each change, such as the reload of a web server. If it fails, FILE\n" +
			"gets its former content back. With --follow the command repeats this whenever vassals change, until it is stopped. It also\n" +
			"waits for an emperor that restarts.\n" +
			"\n" +
			"The template has .Vassals, a list sorted by name. Each vassal has these fields: .Name, .Host (the name without extension),\n" +
			".State, .Running, .Wanted (it should run, so a restart changes nothing), .Address and .Address6 (of the built-in network, or\n" +
			"empty), .Published (a list), .UID and .Attributes (of emperor-collect-attr).\n" +
			"A vassal is left out, with a warning, if its name or an attribute contains characters other than letters, digits and\n" +
			"._:/@-.",
	}, func(ctx context.Context, o *operator, c *cobra.Command, args []string) error {
		r.operator, r.command, r.template, r.file = o, c, args[0], args[1]
		if r.follow {
			return r.keep(ctx)
		}
		return r.once(ctx)
	})
	f := c.Flags()
	f.BoolVarP(&r.follow, "follow", "f", false, "write the file again when vassals change")
	f.StringVar(&r.run, "run", "", "`COMMAND` of the shell after each change of the file")
	c.ValidArgsFunction = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)
	return c
}

// rendering is the work of the command render.
type rendering struct {
	operator       *operator
	command        *cobra.Command
	template, file string
	run            string
	follow         bool
	// places are the last known ones of vassals in the network, which they keep over a restart.
	places map[string]*emperor.Attachment
}

// once writes the file if its content changes.
func (r *rendering) once(ctx context.Context) error {
	var list control.List
	if err := r.operator.get(ctx, "/vassals", &list); err != nil {
		return err
	}
	vassals, odd := renderedVassals(r.placed(list.Vassals))
	for _, text := range odd {
		r.command.PrintErrln("emperor: " + text)
	}
	next, err := renderTemplate(r.template, vassals)
	if err != nil {
		return err
	}
	former, err := os.ReadFile(r.file)
	missing := errors.Is(err, os.ErrNotExist)
	switch {
	case err != nil && !missing:
		return err
	case !missing && bytes.Equal(former, next):
		return nil
	}
	if err := replaceFile(r.file, next); err != nil {
		return err
	}
	if r.run == "" {
		return nil
	}
	run := exec.CommandContext(ctx, "/bin/sh", "-c", r.run)
	run.Stdout, run.Stderr = r.command.ErrOrStderr(), r.command.ErrOrStderr()
	failed := run.Run()
	if failed == nil {
		return nil
	}
	if missing {
		err = os.Remove(r.file)
	} else {
		err = replaceFile(r.file, former)
	}
	return errors.Join(fmt.Errorf("%s has its former content, because %q failed: %w", r.file, r.run, failed), err)
}

// placed adds the addresses of vassals that are just started again.
func (r *rendering) placed(list []control.Vassal) []control.Vassal {
	places := map[string]*emperor.Attachment{}
	for i := range list {
		v := &list[i]
		if v.Network == nil && v.Desired == emperor.Run {
			v.Network = r.places[v.Name]
		}
		if v.Network != nil {
			places[v.Name] = v.Network
		}
	}
	r.places = places
	return list
}

// The pauses of a rendering that follows.
const (
	// together is the time in which further events join the first: many vassals often change at once.
	together = 100 * time.Millisecond
	// reconnect is the pause before the next attempt to reach an emperor.
	reconnect = time.Second
)

// keep writes the file whenever vassals change, until ctx ends. Errors are printed; the next change is the next
// attempt.
func (r *rendering) keep(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := r.keepWith(ctx); err != nil && ctx.Err() == nil {
			r.command.PrintErrln("emperor:", err)
		}
		r.operator.asked = nil
		_ = backoff.Pause(ctx, reconnect)
	}
	return nil
}

// keepWith is keep for one connection. The file is written at its beginning, and again after the first event, which
// is a past one: no change between the list and the events is missed.
func (r *rendering) keepWith(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changed := make(chan struct{}, 1)
	signal := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	done := make(chan struct{})
	defer func() { cancel(); <-done }()
	go func() {
		defer close(done)
		r.onChange(ctx, changed)
	}()
	first := true
	return r.operator.client().Stream(ctx, "/events?follow=true&lines=1", func(line json.RawMessage) error {
		var e eventlog.Event
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		if first || e.What == eventlog.AboutState || e.Lost > 0 {
			signal()
		}
		first = false
		return nil
	})
}

// onChange writes the file now, and after each change.
func (r *rendering) onChange(ctx context.Context, changed <-chan struct{}) {
	for {
		if err := r.once(ctx); err != nil && ctx.Err() == nil {
			r.command.PrintErrln("emperor:", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		if backoff.Pause(ctx, together) != nil {
			return
		}
	}
}

// replaceFile replaces a file in one step, and keeps its mode. A new one has the mode 0644.
func replaceFile(path string, text []byte) error {
	o := atomicfile.Options{Mode: 0o644, Sync: true}
	if info, err := os.Stat(path); err == nil {
		o.Mode = info.Mode().Perm()
	}
	_, err := atomicfile.Write(path, text, o)
	return err
}
