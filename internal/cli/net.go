package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/emperor-go/emperor/internal/cni"
	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/pkg/network"
)

// netCommand shows and repairs the built-in network.
func netCommand() *cobra.Command {
	var dry bool
	c := operate(&cobra.Command{
		Use: "net ls|check|gc|down", Short: "show, check and clean up the built-in network",
		Long: "ls prints a line for each connected vassal. check compares the connections with the links, routes and rules in the kernel,\n" +
			"and exits with 1 when they differ. gc deletes links of the emperor that no vassal has; --dry-run prints them only. down\n" +
			"removes the links, rules and settings that a killed emperor has left, if no emperor is going to run again.",
		Args: cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs), ValidArgs: []string{"ls", "check", "gc", "down"},
	}, func(ctx context.Context, o *operator, c *cobra.Command, args []string) error {
		switch args[0] {
		case "gc":
			return o.collectNetwork(ctx, c, dry)
		case "down":
			return o.networkDown(ctx)
		}
		var r control.NetworkReport
		if err := o.get(ctx, "/network", &r); err != nil {
			return err
		}
		if args[0] == "check" {
			return o.networkCheck(c, r)
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
		_, err := io.WriteString(c.OutOrStdout(), t.text(false))
		return err
	})
	c.Flags().BoolVar(&dry, "dry-run", false, "gc: print the links and delete nothing")
	return c
}

// networkCheck prints the differences.
func (o *operator) networkCheck(c *cobra.Command, r control.NetworkReport) error {
	if o.asJSON {
		if err := printJSON(c.OutOrStdout(), r); err != nil {
			return err
		}
	} else {
		for _, p := range r.Problems {
			fmt.Fprintln(c.OutOrStdout(), p)
		}
		fmt.Fprintf(c.ErrOrStderr(), "vassals: %d, differences: %d\n", len(r.Links), len(r.Problems))
	}
	if len(r.Problems) > 0 {
		return errMistakes
	}
	return nil
}

func (o *operator) collectNetwork(ctx context.Context, c *cobra.Command, dry bool) error {
	path := "/network/collect"
	if dry {
		path += "?dry-run"
	}
	var collected control.Collected
	if err := o.post(ctx, path, &collected); err != nil {
		return err
	}
	if o.asJSON {
		return printJSON(c.OutOrStdout(), collected)
	}
	for _, l := range collected.Links {
		fmt.Fprintln(c.OutOrStdout(), l)
	}
	return nil
}

// networkDown removes the network of a killed emperor. A running emperor answers the request and
// keeps its network.
func (o *operator) networkDown(ctx context.Context) error {
	var info control.Info
	if o.get(ctx, "/emperor", &info) == nil {
		return exitError{errors.New("an emperor is running; it removes its network when it stops"), ExitFailed}
	}
	log := slog.New(slog.DiscardHandler)
	return errors.Join(network.Collect(filepath.Join(o.dir, control.NetworkName), log), cni.Collect(ctx, filepath.Join(o.dir, control.CNIName), log))
}
