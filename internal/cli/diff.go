package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/readable"
)

// diffCommand prints the options that differ between running vassals and their files.
func diffCommand() *cobra.Command {
	return operate(&cobra.Command{
		Use: "diff NAME…", Short: "compare a running vassal with its file", Args: cobra.MinimumNArgs(1),
		Long: "Prints the options that differ between the running configuration and the file, and how a reload would apply each of\n" +
			"them: live, in the running process, or with a new process. There are differences after a mistake in the file, or while a\n" +
			"change waits. The command exits with 1 if the file has a mistake." + namesHelp,
	}, func(ctx context.Context, o *operator, c *cobra.Command, args []string) error {
		return o.compare(ctx, c, args, differences)
	})
}

// compare asks for the changes of all vassals that words select, and prints them.
func (o *operator) compare(ctx context.Context, c *cobra.Command, words []string, text func(control.Changes) string) error {
	names, err := o.names(ctx, words)
	if err != nil {
		return err
	}
	list, errs := each(o, names, func(o *operator, name string) (changes control.Changes, err error) {
		return changes, o.get(ctx, of(name, "/changes"), &changes)
	})
	given := []control.Changes{} // prints as [], not null, when empty
	for i, changes := range list {
		if errs[i] != nil {
			continue
		}
		given = append(given, changes)
		if !o.asJSON {
			fmt.Fprint(c.OutOrStdout(), text(changes))
		}
		if len(changes.Mistakes) > 0 {
			errs[i] = exitError{errors.New(readable.Clean(strings.Join(changes.Mistakes, "\n"))), ExitFailed}
		}
	}
	if o.asJSON {
		if err := printJSON(c.OutOrStdout(), given); err != nil {
			return err
		}
	}
	if single(words) {
		return errs[0]
	}
	return conclude(c, names, errs, "have mistakes or could not be compared")
}

// differences returns the lines of emperor diff.
func differences(c control.Changes) string {
	if len(c.Mistakes) > 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", readable.Clean(c.Name), summary(c, "a reload changes"))
	for _, o := range c.Options {
		for _, value := range o.Was {
			fmt.Fprintf(&b, "- %s = %s\n", o.Option, readable.Clean(value))
		}
		for _, value := range o.Is {
			fmt.Fprintf(&b, "+ %s = %s\n", o.Option, readable.Clean(value))
		}
	}
	if c.Partial {
		b.WriteString("  other files that it reads are not compared\n")
	}
	return b.String()
}

// dryRun returns the line of emperor reload --dry-run.
func dryRun(c control.Changes) string {
	if len(c.Mistakes) > 0 {
		return ""
	}
	return fmt.Sprintf("%s: %s\n", readable.Clean(c.Name), summary(c, "would change"))
}

// summary describes the way in which a reload takes over the changes.
func summary(c control.Changes, verb string) string {
	var all, forcing []string
	for _, o := range c.Options {
		all = append(all, o.Option)
		if o.Effect == c.Effect {
			forcing = append(forcing, o.Option)
		}
	}
	options := strings.Join(all, ", ")
	switch {
	case !c.Running && len(all) == 0:
		return "is not running; its file has not changed"
	case !c.Running:
		return fmt.Sprintf("is not running; its next start uses the changes of %s", options)
	case len(all) == 0:
		return "runs with the options of its file"
	case c.Effect == control.EffectLive:
		return fmt.Sprintf("%s %s at once, without the process", verb, options)
	case c.Effect == control.EffectReload:
		return fmt.Sprintf("%s %s in the running process", verb, options)
	}
	if len(forcing) == len(all) {
		return fmt.Sprintf("%s %s by a new process", verb, options)
	}
	return fmt.Sprintf("%s %s by a new process, because of %s", verb, options, strings.Join(forcing, ", "))
}
