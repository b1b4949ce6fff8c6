package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/readable"
	"github.com/emperor-go/emperor/internal/vassalname"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// waitCommand waits until vassals are in a state.
func waitCommand() *cobra.Command {
	goal, timeout := "running", time.Minute
	c := operate(&cobra.Command{
		Use: "wait [--for running|gone] NAME…", Short: "wait until vassals run, or are gone", Args: cobra.MinimumNArgs(1),
		Long: "Waits until every named vassal runs, or is gone. It also waits for a vassal whose file does not exist yet. A pattern in quotes,\n" +
			"such as 'shop-*', selects the present vassals. After the timeout the command exits with 1 and prints each vassal that is\n" +
			"missing, with its error.",
	}, func(ctx context.Context, o *operator, _ *cobra.Command, words []string) error {
		if !slices.Contains(goals, goal) {
			return exitError{fmt.Errorf("wait: --for: %q is none of %s", goal, strings.Join(goals, ", ")), ExitUsage}
		}
		names, err := o.names(ctx, words)
		if err != nil {
			return err
		}
		if timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, timeout)
			defer cancel()
		}
		w := &waiter{operator: o, names: names, gone: goal == "gone"}
		return w.run(ctx, timeout)
	})
	c.Flags().StringVar(&goal, "for", goal, "the `STATE` to wait for: "+strings.Join(goals, ", "))
	c.Flags().DurationVarP(&timeout, "timeout", "t", timeout, "give up after this `TIME`; 0: never")
	_ = c.RegisterFlagCompletionFunc("for", cobra.FixedCompletions(goals, cobra.ShellCompDirectiveNoFileComp))
	return c
}

var goals = []string{"running", "gone"}

// waiter waits for vassals.
type waiter struct {
	operator *operator
	names    []string
	gone     bool // waits until they are gone; false: until they run
}

// run compares the vassals with the goal, once at the start and after each event.
func (w *waiter) run(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events, ended := make(chan struct{}, 1), make(chan error, 1)
	own := &operator{dir: w.operator.dir} // the stream needs its own connection
	go func() {
		ended <- own.follow(ctx, "/events?follow&lines=0", func(json.RawMessage) error {
			select {
			case events <- struct{}{}:
			default:
			}
			return nil
		})
	}()
	again := time.NewTimer(0)
	defer again.Stop()
	var late []string
	for {
		select {
		case <-again.C:
			var err error
			if late, err = w.late(ctx); err != nil || len(late) == 0 {
				return err
			}
			select { // compare once more after the last event
			case <-events:
				again.Reset(listAge)
			default:
				again.Reset(time.Second) // an event may have come before the stream began
			}
		case <-events:
			again.Reset(listAge)
		case err := <-ended:
			switch {
			case errors.Is(ctx.Err(), context.DeadlineExceeded):
				goal := map[bool]string{true: "gone", false: "running"}[w.gone]
				return exitError{fmt.Errorf("not %s after %v: %s", goal, timeout, strings.Join(late, "; ")), ExitFailed}
			case ctx.Err() != nil:
				return exitError{errQuiet, 128 + int(unix.SIGINT)}
			case err == nil:
				return exitError{errors.New("the emperor has ended"), exitNoEmperor}
			}
			return err
		}
	}
}

// listAge is the greatest age of a list that the emperor returns (docs/control.md).
const listAge = 110 * time.Millisecond

// late describes the vassals that have not reached the goal.
func (w *waiter) late(ctx context.Context) (late []string, err error) {
	var list control.List
	if err := w.operator.get(ctx, "/vassals", &list); err != nil {
		if ctx.Err() != nil { // run returns the error
			return []string{"the emperor does not answer"}, nil
		}
		return nil, err
	}
	for _, name := range w.names {
		i := -1
		vassalname.Resolve(name, func(n string) bool {
			i = slices.IndexFunc(list.Vassals, func(v control.Vassal) bool { return v.Name == n })
			return i >= 0
		})
		switch {
		case i < 0 && !w.gone:
			late = append(late, readable.Clean(name)+": no such vassal")
		case i >= 0 && (w.gone || !serves(list.Vassals[i].State)):
			v := list.Vassals[i]
			text := readable.Clean(v.Name) + " is " + string(v.State)
			if why := v.Reason(); why != "" {
				text += " (" + readable.Clean(why) + ")"
			}
			late = append(late, text)
		}
	}
	return late, nil
}

// serves reports whether a vassal in a state serves, or starts with the next connection.
func serves(s emperor.State) bool {
	return s == emperor.Running || s == emperor.Reloading || s == emperor.Waiting
}
