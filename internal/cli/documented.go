package cli

import (
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/emperor-go/emperor/internal/optiondocs"
)

// Help prints the help of the emperor: its commands and its options.
func Help(w io.Writer, asked error) error {
	return optiondocs.EmperorHelp(w, asked, documented())
}

// documented returns the commands and the exit codes for the help and the manual page. The help of a command there is
// without the codes that all have.
func documented() optiondocs.Reference {
	var list []optiondocs.Command
	for _, c := range commands() {
		d := optiondocs.Command{Use: c.Use, Short: c.Short, Long: withoutExits(c.Long), Aliases: c.Aliases}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Hidden || f.Name == "runtime-dir" { // the one of all
				return
			}
			arg, help := pflag.UnquoteUsage(f)
			name := "--" + f.Name
			if f.Shorthand != "" {
				name = "-" + f.Shorthand + ", " + name
			}
			d.Flags = append(d.Flags, optiondocs.CommandFlag{Name: name, Arg: arg, Help: help})
		})
		list = append(list, d)
	}
	return optiondocs.Reference{Commands: list, Exits: exitTable}
}

// helpOf prints the help of the root command, and of others as rest does.
func helpOf(root *cobra.Command, rest func(*cobra.Command, []string)) func(*cobra.Command, []string) {
	return func(c *cobra.Command, args []string) {
		if c != root {
			rest(c, args)
			return
		}
		_ = Help(c.OutOrStdout(), nil)
	}
}
