package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emperor-go/emperor/internal/backoff"
	"github.com/emperor-go/emperor/internal/environ"
	"github.com/emperor-go/emperor/internal/timers"
	"github.com/emperor-go/emperor/internal/words"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

const (
	// probeFirst and probeMax limit the pause between two attempts of a probe.
	probeFirst = 20 * time.Millisecond
	probeMax   = time.Second
	// probeTry limits one attempt.
	probeTry = 5 * time.Second
	// maxReadyTime is the longest timeout that a program may request.
	maxReadyTime = 24 * time.Hour
)

// startProbe tests when the program that replaced a vassal, or its supervised child, is ready,
// once and concurrently. It kills one that is not ready in time.
func (l *life) startProbe(c *child, p wire.Probe, program int, report func(emperor.Message)) {
	if l.launcher == nil {
		return
	}
	l.probing.Do(func() {
		l.probe = startCompanion(func(ctx context.Context) {
			limited, cancel := context.WithCancel(ctx)
			defer cancel()
			defer timers.AfterFunc(min(p.Timeout, maxReadyTime), cancel).Stop()
			err := l.await(limited, c, p, program)
			switch {
			case err == nil:
				c.protocol.probed.Store(false)
				report(wire.Accepting)
			case ctx.Err() == nil:
				c.resources.log.Error("not ready before the timeout; killing it", "timeout", p.Timeout, "error", err)
				c.end()
			}
		})
	})
}

// await blocks until the program is ready, and returns the reason why it is not when ctx ends.
func (l *life) await(ctx context.Context, c *child, p wire.Probe, program int) error {
	if p.Notify || p.Kind == "notify" {
		select {
		case <-c.protocol.notified:
		case <-ctx.Done():
			return errors.New("it has not sent READY=1")
		}
	}
	if p.Kind == "notify" {
		return nil
	}
	h, err := probeHook(p)
	if err != nil {
		return err
	}
	pauses := backoff.Pauses{First: probeFirst, Longest: probeMax}
	for {
		failure := l.try(ctx, c, p.Kind, program, h)
		if failure == nil {
			return nil
		}
		if err == nil || ctx.Err() == nil { // an interrupted attempt explains less than those before
			err = failure
		}
		if pauses.Wait(ctx) != nil {
			return err
		}
	}
}

// probeHook converts a probe to an action. The vassal chose its content, which is trusted no
// more than the vassal.
func probeHook(p wire.Probe) (hooks.Hook, error) {
	var action string
	switch p.Kind {
	case "tcp":
		action = "wait_for_socket:" + string(p.Address)
	case "http":
		action = "wait_for_http:" + string(p.Address) + string(p.Path)
	case "exec":
		action = "execv:"
		for _, w := range p.Command {
			action += words.Quote(string(w)) + " "
		}
	default:
		return hooks.Hook{}, fmt.Errorf("unknown kind of probe %q", p.Kind)
	}
	return hooks.Parse(hooks.Spec{Phase: hooks.AsEmperor, Kind: hooks.Do, Text: action})
}

// try runs a probe once, with the rights of the program. An executed command gets the
// environment of the tested program.
func (l *life) try(ctx context.Context, c *child, kind string, program int, h hooks.Hook) (err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTry)
	defer cancel()
	pid, held := c.PID(), (*os.File)(nil)
	if program != 0 {
		if pid, held, err = namespaces.HoldChild(pid, program); err != nil {
			return fmt.Errorf("cannot find the program: %w", err)
		}
		defer held.Close()
	}
	var vars []string
	if kind == "exec" { // before its rights are read: a user with fewer rights may have chosen it
		if vars, err = environOf(pid); err != nil {
			return err
		}
		vars = append(vars, "MAINPID="+strconv.Itoa(namespaces.InnerPID(pid)))
	}
	var restricted []namespaces.Landlock
	if landlocks := c.protocol.landlocks.Load(); landlocks != nil {
		if restricted, err = landlocks.Known(); err != nil {
			return err
		}
	}
	var last string
	j := l.launcher.joiner(c, hooks.Subject{Name: l.about.Config.Name, PID: c.PID()})
	j.Confine, j.Held, j.Within, j.Environ = pid, held, c.resources.cgroup, nil
	j.Landlocks = restricted
	err = j.Join(ctx, h, hooks.Environment{Vars: vars}, func(line string) { last = line })
	if err != nil && last != "" {
		return fmt.Errorf("%w: %s", err, last)
	}
	return err
}

// environOf returns the environment that a process was executed with, without variables that belong
// to it alone.
func environOf(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return nil, fmt.Errorf("cannot read its environment: %w", err)
	}
	variables := slices.DeleteFunc(strings.Split(string(text), "\x00"), func(v string) bool { return strings.IndexByte(v, '=') < 1 })
	return environ.Without(variables, environ.ForOneProcess), nil
}
