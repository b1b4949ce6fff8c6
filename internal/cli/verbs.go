package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/readable"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// verbCommands are the commands that change one vassal.
func verbCommands() []*cobra.Command {
	return []*cobra.Command{
		reloadCommand(),
		verbCommand(emperor.Reset, "forget a vassal's failures and end its backoff",
			"Forgets the failures of a vassal. If the vassal waits for its next launch, it starts now."),
		verbCommand(emperor.Restart, "restart a vassal with a new process",
			"Stops the vassal and starts it again with the newest configuration. If the file has a mistake, the command fails and the vassal keeps running."),
		verbCommand(emperor.Start, "start a vassal now", "Starts a vassal that was stopped, or that waits before its next launch."),
		verbCommand(emperor.Stop, "stop a vassal until it is started", "Stops a vassal. It stays stopped until it is started, even when its configuration changes."),
	}
}

func verbCommand(verb emperor.Verb, short, long string) *cobra.Command {
	var wait bool
	c := operate(&cobra.Command{
		Use: string(verb) + " [--wait] NAME…", Short: short, Long: long + namesHelp, Args: cobra.MinimumNArgs(1),
	}, func(ctx context.Context, o *operator, c *cobra.Command, args []string) error {
		return o.doTo(ctx, c, args, verb, wait)
	})
	c.Flags().BoolVar(&wait, "wait", false, "wait until the operation has ended, and print its result")
	return c
}

// namesHelp explains names in the help of a command that takes several.
const namesHelp = "\nNAME may be a pattern in quotes, such as 'shop-*'."

func reloadCommand() *cobra.Command {
	var wait, all, dry bool
	c := operate(&cobra.Command{
		Use: "reload [--wait|--dry-run] NAME…|--all", Short: "reload a vassal, or all, with the newest configuration",
		Long: "Reloads a vassal with the newest configuration. Its process, namespaces and sockets stay, and its workers are replaced. If\n" +
			"a changed option needs a new process, the vassal gets one.\n" +
			"With --wait the command waits until the reload has ended, and prints its result.\n" +
			"With --all it reloads every vassal, even if one fails. It prints each result and exits with 1 if one has failed.\n" +
			"With --dry-run it reloads nothing, but prints the changes of a reload, and how they would be applied. It exits with 1 if a\n" +
			"file has a mistake.",
		Args: cobra.ArbitraryArgs,
	}, func(ctx context.Context, o *operator, c *cobra.Command, args []string) error {
		switch {
		case all == (len(args) > 0):
			return exitError{errors.New("name a vassal, or use --all"), ExitUsage}
		case dry && all:
			return o.compare(ctx, c, []string{"*"}, dryRun)
		case dry:
			return o.compare(ctx, c, args, dryRun)
		case all:
			return o.doAll(ctx, c, wait)
		}
		return o.doTo(ctx, c, args, emperor.Reload, wait)
	})
	c.Flags().BoolVar(&wait, "wait", false, "wait until the reload has ended, and print its result")
	c.Flags().BoolVar(&dry, "dry-run", false, "reload nothing; print the changes that it would make")
	c.MarkFlagsMutuallyExclusive("wait", "dry-run")
	c.Flags().BoolVar(&all, "all", false, "reload every running vassal, a few at a time")
	return c
}

func waiting(wait bool) string {
	if wait {
		return "?wait"
	}
	return ""
}

// doTo applies a verb to all vassals that words select.
func (o *operator) doTo(ctx context.Context, c *cobra.Command, words []string, verb emperor.Verb, wait bool) error {
	o.changes = verb == emperor.Restart || verb == emperor.Reload
	if single(words) {
		return o.do(ctx, c, words[0], verb, wait)
	}
	names, err := o.names(ctx, words)
	if err != nil {
		return err
	}
	return o.answers(c, names, "could not "+string(verb), o.report, func(o *operator, name string) (a control.Answer, err error) {
		err = o.post(ctx, of(name, "/"+string(verb)+waiting(wait)), &a)
		return a, err
	})
}

// answers sends a request for each of several vassals and prints the answers.
func (o *operator) answers(c *cobra.Command, names []string, did string, report func(*cobra.Command, control.Answer),
	ask func(o *operator, name string) (control.Answer, error),
) error {
	answers, errs := each(o, names, ask)
	given := []control.Answer{} // prints as [], not null, when empty
	for i, a := range answers {
		if errs[i] == nil {
			errs[i] = failure(a)
			given = append(given, a)
		}
		if errs[i] == nil && !o.asJSON {
			report(c, a)
		}
	}
	if o.asJSON {
		if err := printJSON(c.OutOrStdout(), given); err != nil {
			return err
		}
	}
	return conclude(c, names, errs, did)
}

// unreported prints nothing for a success.
func unreported(*cobra.Command, control.Answer) {}

func (o *operator) do(ctx context.Context, c *cobra.Command, name string, verb emperor.Verb, wait bool) error {
	var a control.Answer
	if err := o.post(ctx, of(name, "/"+string(verb)+waiting(wait)), &a); err != nil {
		return err
	}
	if o.asJSON {
		if err := printJSON(c.OutOrStdout(), a); err != nil {
			return err
		}
	} else {
		o.report(c, a)
	}
	return failure(a)
}

// report prints the result of a finished operation.
func (o *operator) report(c *cobra.Command, a control.Answer) {
	if a.Error == "" && a.Done {
		fmt.Fprintf(c.OutOrStdout(), "%s: %s, generation %d, config %s%s\n", readable.Clean(a.Name), a.Vassal.State, a.Vassal.Generation,
			a.Vassal.Config, o.gapOf(a.Vassal))
	}
}

// gapOf returns for how long a change has left the addresses of a vassal's own without service. At its
// published ports, and at sockets in the network of the emperor, clients wait. Empty: it has no such address.
func (o *operator) gapOf(v emperor.Record) string {
	if !o.changes || v.ReloadGap == 0 || unserved(v) == "" {
		return ""
	}
	return ", " + gapText(v)
}

// unserved returns the address of the vassal's own that the last change has left without service: no
// process holds its port. Empty: there is none.
func unserved(v emperor.Record) string {
	inPlace := v.Serial > 1 && v.ReloadHeld // the process, and its network, are the ones of before
	if inPlace || v.Network == nil || len(v.Network.Addresses) == 0 {
		return ""
	}
	return v.Network.Addresses[0].String()
}

// gapText describes the time in which the last change has left a vassal without a worker.
func gapText(v emperor.Record) string {
	took := time.Duration(v.ReloadGap) * time.Millisecond
	at := unserved(v)
	switch {
	case v.ReloadGap > 0 && at != "":
		return fmt.Sprintf("%.2f s without service at %s", took.Seconds(), at)
	case v.ReloadHeld:
		return fmt.Sprintf("connections waited %.2f s", took.Seconds())
	}
	return fmt.Sprintf("%d ms without a worker", v.ReloadGap)
}

// failure returns the error of an operation, or nil when it has succeeded.
func failure(a control.Answer) error {
	if a.Error == "" {
		return nil
	}
	return exitError{fmt.Errorf("%s: %s", readable.Clean(a.Name), readable.Clean(a.Error)), ExitFailed}
}

func (o *operator) doAll(ctx context.Context, c *cobra.Command, wait bool) error {
	var answers []control.Answer
	if err := o.post(ctx, "/reload"+waiting(wait), &answers); err != nil {
		return err
	}
	if o.asJSON {
		if err := printJSON(c.OutOrStdout(), answers); err != nil {
			return err
		}
	}
	failed := 0
	for _, a := range answers {
		if err := failure(a); err != nil {
			failed++
			c.PrintErrln(err)
		} else if !o.asJSON {
			o.report(c, a)
		}
	}
	if failed > 0 {
		return exitError{fmt.Errorf("%d of %d vassals could not reload", failed, len(answers)), ExitFailed}
	}
	if wait && !o.asJSON {
		fmt.Fprintf(c.OutOrStdout(), "%d vassals reloaded\n", len(answers))
	}
	return nil
}

// killCommand sends a signal to a vassal's first process.
func killCommand() *cobra.Command {
	var sig string
	c := operate(&cobra.Command{
		Use: "kill [--signal SIGNAL] NAME…", Short: "send a signal to a vassal's first process", Args: cobra.MinimumNArgs(1),
		Long: "Sends a signal to a vassal's first process. If the vassal ends by the signal, the emperor restarts it. Use stop to end it." + namesHelp,
	}, func(ctx context.Context, o *operator, c *cobra.Command, args []string) error {
		if !single(args) {
			names, err := o.names(ctx, args)
			if err != nil {
				return err
			}
			return o.answers(c, names, "could not get the signal", unreported, func(o *operator, name string) (a control.Answer, err error) {
				err = o.post(ctx, of(name, "/kill?signal="+sig), &a)
				return a, err
			})
		}
		var a control.Answer
		if err := o.post(ctx, of(args[0], "/kill?signal="+sig), &a); err != nil {
			return err
		}
		if o.asJSON {
			return printJSON(c.OutOrStdout(), a)
		}
		return nil
	})
	c.Flags().StringVarP(&sig, "signal", "s", "TERM", "`SIGNAL` by name or number")
	_ = c.RegisterFlagCompletionFunc("signal", cobra.FixedCompletions(control.Signals(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

// rescanCommand rescans the monitored directories.
func rescanCommand() *cobra.Command {
	return operate(&cobra.Command{
		Use: "rescan", Short: "rescan the monitored directories now", Args: cobra.NoArgs,
		Long: "Makes the emperor rescan its directories now. This is necessary only for file systems that do not report changes.",
	}, func(ctx context.Context, o *operator, _ *cobra.Command, _ []string) error {
		return o.post(ctx, "/rescan", &struct{}{})
	})
}

// reopenCommand opens the log files again.
func reopenCommand() *cobra.Command {
	return operate(&cobra.Command{
		Use: "reopen-logs", Short: "reopen the log files of vassals", Args: cobra.NoArgs,
		Long: "Opens the log files of vassals again, for a postrotate script. The emperor also detects a renamed file by itself.",
	}, func(ctx context.Context, o *operator, c *cobra.Command, _ []string) error {
		var r control.Reopened
		if err := o.post(ctx, "/reopen-logs", &r); err != nil {
			return err
		}
		if o.asJSON {
			if err := printJSON(c.OutOrStdout(), r); err != nil {
				return err
			}
		}
		if r.Error != "" {
			return exitError{errors.New(r.Error), ExitFailed}
		}
		return nil
	})
}
