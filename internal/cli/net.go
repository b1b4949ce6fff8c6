package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/remains"
)

// netCommand shows and repairs the built-in network.
func netCommand() *cobra.Command {
	var dry bool
	c := operate(&cobra.Command{
		Use: "net ls|check|gc|down", Short: "show, check and clean up the built-in network",
		Long: "ls prints a line for each connected vassal.\n" +
			"check compares the network of the vassals with the links, routes and rules in the kernel, and exits with 1 if they differ.\n" +
			"gc deletes links, routes, filter rules and leases of the emperor that belong to no vassal. --dry-run only prints them.\n" +
			"Without a running emperor, check and gc use the records of the last one. gc then deletes everything that it left, including\n" +
			"the leases of an emperor that has stopped. down is the same as gc, but fails if an emperor runs.",
		Args: cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs), ValidArgs: []string{"ls", "check", "gc", "down"},
	}, func(ctx context.Context, o *operator, c *cobra.Command, args []string) error {
		switch args[0] {
		case "gc":
			return o.collectNetwork(ctx, c, dry)
		case "down":
			return o.networkDown(ctx)
		}
		var r control.NetworkReport
		err := o.get(ctx, "/network", &r)
		if args[0] == "check" {
			return o.networkCheck(ctx, c, r, err)
		}
		if err != nil {
			return err
		}
		if o.asJSON {
			return printJSON(c.OutOrStdout(), r)
		}
		t := &table{columns: []column{{name: "VASSAL"}, {name: "GEN"}, {name: "MODE"}, {name: "INTERFACE"}, {name: "INDEX"}, {name: "ADDRESSES"}}}
		for _, l := range r.Links {
			host, index := "-", "-"
			if l.Interface != "" {
				host, index = l.Interface, strconv.Itoa(l.Index)
			}
			t.rows = append(t.rows, []string{l.Vassal, strconv.FormatUint(l.Generation, 10), l.Mode, host, index, strings.Join(l.Addresses, ", ")})
		}
		_, err = io.WriteString(c.OutOrStdout(), t.text(false))
		return err
	})
	c.Flags().BoolVar(&dry, "dry-run", false, "gc: print the names and delete nothing")
	return c
}

// networkCheck prints the differences. Without an emperor, all that a killed one has left is a difference.
func (o *operator) networkCheck(ctx context.Context, c *cobra.Command, r control.NetworkReport, err error) error {
	note := ""
	if errors.Is(err, control.ErrNoEmperor) {
		var left control.Collected
		left, err = o.collectRemains(ctx, true, err)
		r.Problems, note = remainders(left), "no emperor runs; "
	}
	if err != nil {
		return err
	}
	if o.asJSON {
		if err := printJSON(c.OutOrStdout(), r); err != nil {
			return err
		}
	} else {
		for _, p := range r.Problems {
			fmt.Fprintln(c.OutOrStdout(), p)
		}
		fmt.Fprintf(c.ErrOrStderr(), "%svassals: %d, differences: %d\n", note, len(r.Links), len(r.Problems))
	}
	if len(r.Problems) > 0 {
		return errMistakes
	}
	return nil
}

// remainders returns a line for each part that a killed emperor has left.
func remainders(left control.Collected) (problems []string) {
	for _, name := range left.Links {
		problems = append(problems, "link "+name)
	}
	problems = append(problems, left.Others...)
	for i := range problems {
		problems[i] += " of an emperor that was killed is left (emperor net gc)"
	}
	return problems
}

// collectNetwork deletes all that no vassal has. Without an emperor, that is all that one has left.
func (o *operator) collectNetwork(ctx context.Context, c *cobra.Command, dry bool) error {
	path := "/network/collect"
	if dry {
		path += "?dry-run"
	}
	var collected control.Collected
	err := o.post(ctx, path, &collected)
	if errors.Is(err, control.ErrNoEmperor) {
		collected, err = o.collectRemains(ctx, dry, err)
	}
	if err != nil {
		return err
	}
	if o.asJSON {
		return printJSON(c.OutOrStdout(), collected)
	}
	for _, name := range slices.Concat(collected.Links, collected.Others, collected.Leases) {
		fmt.Fprintln(c.OutOrStdout(), name)
	}
	return nil
}

// collectRemains removes all that an emperor has left; why is the error of the request to an emperor. An emperor
// that starts meanwhile waits, and has nothing to remove.
func (o *operator) collectRemains(ctx context.Context, dry bool, why error) (left control.Collected, err error) {
	release, err := control.HoldRuntimeDir(o.dir)
	switch {
	case errors.Is(err, os.ErrNotExist): // no emperor was killed there, or the directory is lost
		left.Others, err = remains.Lost(o.dir, dry)
		return left, err
	case errors.Is(err, os.ErrPermission), errors.As(err, new(control.HeldError)):
		return left, why
	case err != nil:
		return left, exitError{err, ExitFailed}
	}
	defer release()
	left.Leases = remains.Leases(o.dir)
	if left.Links, left.Others, err = remains.List(o.dir); err == nil && !dry {
		err = remains.Remove(ctx, o.dir, slog.New(slog.DiscardHandler))
	}
	lost, failed := remains.Lost(o.dir, dry)
	left.Others = append(left.Others, lost...)
	return left, errors.Join(err, failed)
}

// networkDown removes the network of a killed emperor. A running emperor answers the request and
// keeps its network.
func (o *operator) networkDown(ctx context.Context) error {
	var info control.Info
	err := o.get(ctx, "/emperor", &info)
	if err == nil {
		return exitError{errors.New("an emperor is running; it removes its network when it stops"), ExitFailed}
	}
	_, err = o.collectRemains(ctx, false, err)
	return err
}
