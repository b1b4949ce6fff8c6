package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/emperor-go/emperor/internal/suggest"
	"github.com/emperor-go/emperor/pkg/config/option"
)

// plain gives a command the emperor's error texts for wrong arguments and options.
func plain(c *cobra.Command) *cobra.Command {
	check := c.Args
	if check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if check(c, args) == nil {
				return nil
			}
			return misused(c, args)
		}
	}
	c.SetFlagErrorFunc(misflagged)
	return c
}

// misused returns an error about the arguments of a command, in the words of its usage line.
func misused(c *cobra.Command, args []string) error {
	needed, optional := operands(c.Use)
	switch {
	case len(args) < len(needed):
		return fmt.Errorf("%s: %s is missing", c.Name(), strings.TrimSuffix(needed[len(args)], "…"))
	case len(c.ValidArgs) > 0 && len(args) == 1: // such as a shell, or a word after net
		return fmt.Errorf("%s: %w", c.Name(), option.Unknown("argument", args[0], c.ValidArgs...))
	}
	extra := args[min(len(args)-1, len(needed)+optional)]
	if len(needed)+optional == 0 {
		return fmt.Errorf("%s takes no argument, but got %q", c.Name(), extra)
	}
	one, _, _ := strings.Cut(slices.Concat(needed, []string{"NAME"})[0], "|")
	return fmt.Errorf("%s takes one %s, but also got %q", c.Name(), one, extra)
}

// operands returns the arguments that a command needs, and the number of optional ones.
func operands(use string) (needed []string, optional int) {
	depth := 0
	for _, word := range strings.Fields(use)[1:] {
		opens, closes := strings.Count(word, "["), strings.Count(word, "]")
		switch {
		case depth == 0 && opens == 0:
			needed = append(needed, word)
		case depth == 0 && !strings.HasPrefix(word, "[-"):
			optional++
		}
		depth += opens - closes
	}
	return needed, optional
}

// misflagged returns an error about an option of a command.
func misflagged(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var wrong *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		name := "--" + unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			name = "-" + unknown.GetSpecifiedName()
		}
		return fmt.Errorf("%s: unknown option %s (%s)", c.Name(), name, flagsOf(c, unknown.GetSpecifiedName()))
	case errors.As(err, &missing):
		name, _ := pflag.UnquoteUsage(missing.GetFlag())
		return fmt.Errorf("%s: --%s: a value is missing (--%s %s)", c.Name(), missing.GetFlag().Name, missing.GetFlag().Name, strings.ToUpper(name))
	case errors.As(err, &wrong):
		f := wrong.GetFlag()
		hint := map[string]string{
			"duration": "such as 500ms or 5s", "int": "a whole number", "bool": "true or false",
			"time": "such as 10m, 08:00 or 2026-11-30T08:00:00Z",
		}[f.Value.Type()]
		if hint != "" {
			hint = " (" + hint + ")"
		}
		return fmt.Errorf("%s: --%s: invalid value %q%s", c.Name(), f.Name, wrong.GetValue(), hint)
	}
	return fmt.Errorf("%s: %w", c.Name(), err)
}

// flagsOf suggests the option with a similar name, or lists all options of a command.
func flagsOf(c *cobra.Command, name string) string {
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near := suggest.Near(name, slices.Values(names)); near != nil {
		return suggest.Question("--", near...)
	}
	return "the options are --" + strings.Join(names, ", --")
}

// unknownTopic returns an error about the help of an unknown command.
func unknownTopic(args []string) error {
	if len(args) < 2 || args[0] != "help" || strings.HasPrefix(args[1], "-") || isCommand(args[1:]) {
		return nil
	}
	var names []string
	for _, c := range commands() {
		names = append(names, c.Name())
	}
	hint := "emperor help lists them"
	if near := suggest.Near(args[1], slices.Values(names)); near != nil {
		hint = suggest.Question("", near...)
	}
	return fmt.Errorf("unknown command %q (%s)", args[1], hint)
}

// Greet prints the next steps for a user who typed only the name of the program.
func Greet(w io.Writer) {
	_, _ = io.WriteString(w, `emperor: no directory to watch
  emperor DIR          runs a vassal for each file in a directory, such as /etc/vassals
  emperor check DIR    finds mistakes in the files, and starts nothing
emperor help lists the commands, emperor --help the options.
`)
}
