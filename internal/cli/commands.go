// Package cli implements the commands of the emperor program. Most commands talk to a running
// emperor; check and config only read files.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/optiondocs"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/internal/suggest"
)

// commands returns the subcommands, sorted by name. A command line whose first argument is the
// name of a command runs that command; a directory of the same name is written as ./check.
func commands() []*cobra.Command {
	list := append([]*cobra.Command{
		checkCommand(), completionCommand(), configCommand(), diffCommand(), enterCommand(), attachCommand(), eventsCommand(), killCommand(), listCommand(),
		logsCommand(), netCommand(), renderCommand(), reopenCommand(), rescanCommand(), statusCommand(), topCommand(), waitCommand(),
	}, verbCommands()...)
	slices.SortFunc(list, func(a, b *cobra.Command) int { return strings.Compare(a.Name(), b.Name()) })
	return list
}

// isCommand reports whether a command line runs a command. Other command lines are parsed as
// uWSGI parses them, without cobra.
func isCommand(args []string) bool {
	if len(args) == 0 {
		return false
	}
	if slices.Contains([]string{"help", cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd}, args[0]) {
		return true
	}
	return slices.ContainsFunc(commands(), func(c *cobra.Command) bool { return c.Name() == args[0] || c.HasAlias(args[0]) })
}

// CommandLine moves the command to the front of a command line, because common options of
// commands may precede it. ok is false for the emperor's own command line.
func CommandLine(args []string) (command []string, ok bool) {
	for n := 0; n < len(args); {
		switch first := args[n]; {
		case isCommand(args[n:]):
			return slices.Concat(args[n:n+1], args[:n], args[n+1:]), true
		case first == "--json", strings.HasPrefix(first, "--runtime-dir="):
			n++
		case first == "--runtime-dir":
			n += 2
		default:
			return nil, false
		}
	}
	return nil, false
}

// Mistyped returns an error for an argument that is not an existing directory and may be a
// misspelt command.
func Mistyped(monitors, args []string) error {
	var names []string
	for _, c := range commands() {
		names = append(names, c.Name())
	}
	for _, word := range monitors {
		at := slices.Index(args, word)
		if strings.ContainsAny(word, "/*?[") || at < 0 || at > 0 && args[at-1] == "--emperor" {
			continue
		}
		_, err := reads.Get(context.Background(), reads.New(), word, func() (os.FileInfo, error) { return os.Stat(word) })
		if !errors.Is(err, os.ErrNotExist) {
			continue
		}
		var hint string
		switch near := control.Similar(word, names); {
		case slices.Contains(names, word):
			hint = "a command comes first: emperor " + word
		case len(near) > 0:
			hint = suggest.Question("", "the command "+strings.Join(near, " or "))
		case word == args[0]:
			hint = "emperor help lists the commands"
		default:
			continue
		}
		return fmt.Errorf("no command and no directory %q (%s)", word, hint)
	}
	return nil
}

// errMistakes is returned by a command that has printed mistakes.
var errMistakes = errors.New("there are mistakes")

// Run runs a command and returns the exit code.
func Run(args []string, out, diagnostics io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(diagnostics)
	if err := unknownTopic(args); err != nil {
		root.PrintErrln("emperor:", err)
		return ExitUsage
	}
	c, err := root.ExecuteC()
	var f exitError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errQuiet) && errors.As(err, &f):
		return f.code
	case errors.As(err, &f):
		root.PrintErrln("emperor:", err)
		return f.code
	case errors.Is(err, errMistakes):
		return ExitFailed
	}
	root.PrintErrln("emperor:", err)
	if c != root && c.Use != "" {
		root.PrintErrln("usage: emperor", c.Use)
	}
	return ExitUsage
}

// rootCommand describes the emperor's own options for completions and the help. It is never run:
// the emperor itself starts without cobra.
func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use: "emperor [OPTION…] DIR…", SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Run:               func(*cobra.Command, []string) {},
		ValidArgsFunction: func(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
			if slices.ContainsFunc(commands(), func(c *cobra.Command) bool { return strings.HasPrefix(c.Name(), word) }) {
				return nil, cobra.ShellCompDirectiveNoFileComp // with directories the shell would not offer commands
			}
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	for _, c := range commands() {
		root.AddCommand(plain(c))
	}
	for _, f := range optiondocs.EmperorFlags() {
		root.Flags().String(f.Name, "", f.Help)
		if !f.NeedsValue {
			root.Flags().Lookup(f.Name).NoOptDefVal = "true"
		}
	}
	root.SetHelpFunc(helpOf(root, root.HelpFunc()))
	return root
}

// bashWords follows the script for bash, which finds the words of the line, and files, by functions of the package
// bash-completion. Without that package the words are joined again that bash has divided at = and at :.
const bashWords = `
__emperor_init_completion()
{
    if declare -F _get_comp_words_by_ref >/dev/null 2>&1; then
        _get_comp_words_by_ref "$@" cur prev words cword
        return
    fi
    _filedir()
    {
        local IFS=$'\n' kind=-f
        [[ $1 != -d ]] || kind=-d
        compopt -o filenames
        COMPREPLY+=($(compgen $kind -- "$cur"))
    }
    COMPREPLY=()
    words=()
    local i word line=$COMP_LINE
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((i > 0)) && [[ $line != [[:blank:]]* ]]; then
            words[${#words[@]}-1]+=$word
        else
            words+=("$word")
        fi
        line=${line#*"$word"}
    done
    cword=$((${#words[@]} - 1))
    cur=${words[cword]}
    prev=${words[cword-1]}
}
`

// completionCommand prints a completion script for the options of both programs.
func completionCommand() *cobra.Command {
	var program string
	c := &cobra.Command{
		DisableFlagsInUseLine: true,
		Use:                   "completion [--program vassal] bash|zsh|fish", Short: "print a script that completes options and commands",
		Long: "Prints a script that completes options and commands in a shell. Source the script or install it, for example with\n" +
			"  emperor completion bash >/etc/bash_completion.d/emperor\n" +
			"  emperor completion --program vassal bash >/etc/bash_completion.d/vassal",
		ValidArgs: optiondocs.Shells(), Args: cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case program == "vassal":
				return optiondocs.VassalCompletion(c.OutOrStdout(), args[0])
			case program != "emperor":
				return fmt.Errorf("cannot complete for %q: the programs are emperor and vassal", program)
			case args[0] == "zsh":
				return c.Root().GenZshCompletion(c.OutOrStdout())
			case args[0] == "fish":
				return c.Root().GenFishCompletion(c.OutOrStdout(), true)
			}
			err := c.Root().GenBashCompletionV2(c.OutOrStdout(), true)
			if err == nil {
				_, err = io.WriteString(c.OutOrStdout(), bashWords)
			}
			return err
		},
	}
	c.Flags().StringVar(&program, "program", "emperor", "program to complete: emperor or vassal")
	_ = c.RegisterFlagCompletionFunc("program", cobra.FixedCompletions([]string{"emperor", "vassal"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}
