// Package optiondocs prints the option tables: the help of both programs, completions for shells,
// and, in its tests, docs/options.md and the manual pages.
package optiondocs

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/emperor-go/emperor/pkg/config"
)

// EmperorHelp prints the emperor's commands, exit codes and options, from their tables; only one group of options
// when asked is the error of a command line that requested it.
func EmperorHelp(w io.Writer, asked error, r Reference) error {
	var b strings.Builder
	b.WriteString(`Usage: emperor [OPTION…] DIR…
       emperor COMMAND …

Supervises one container for each vassal file in the directories.
`)
	helpReference(&b, r)
	return help(w, asked, config.EmperorOptions(), "", b.String())
}

// VassalHelp prints the vassal's options in the same way.
func VassalHelp(w io.Writer, asked error) error {
	return help(w, asked, config.VassalOptions(), "attach to the terminal behind a pty-socket", `Usage: vassal [OPTION…] --ini FILE

Boots and serves as its file configures, usually inside the namespaces an emperor made.
`)
}

// help prints the options of one group when asked names it, and of all groups otherwise. connect
// is the help of --pty-connect; empty: the program has no such option.
func help(w io.Writer, asked error, sections []config.Section, connect, usage string) error {
	var b strings.Builder
	var one config.HelpRequest
	if !errors.As(asked, &one) {
		b.WriteString(usage)
	}
	for _, s := range sections {
		switch one.Group {
		case "":
			helpRows(&b, s.Heading, folded([]config.Section{s})[0].Options)
			if s.Heading == "Hooks" {
				b.WriteString("  " + foldedText + "; --help hooks lists each\n")
			}
		case s.Heading:
			helpRows(&b, s.Heading, s.Options)
		}
	}
	if one.Group == "" {
		b.WriteString("\nGeneral:\n")
		helpLine(&b, "--ini FILE", "read options from a file, here")
		helpLine(&b, "--help [GROUP]", "print the options, all or of one group")
		if connect != "" {
			helpLine(&b, "--pty-connect ADDRESS", connect)
		}
		helpLine(&b, "--version", "print the version")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func helpRows(b *strings.Builder, heading string, rows []config.Described) {
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	fmt.Fprintf(b, "%s:\n", heading)
	for _, d := range rows {
		text := d.Help
		if d.Def != "" {
			text += " (default " + d.Def + ")"
		}
		helpLine(b, strings.TrimSpace("--"+d.Name+" "+d.Arg), text)
	}
}

// helpLine prints an option and its text, below the option when that is too long.
func helpLine(b *strings.Builder, option, text string) {
	if len([]rune(option)) > helpColumn-4 {
		fmt.Fprintf(b, "  %s\n%*s%s\n", option, helpColumn, "", text)
		return
	}
	fmt.Fprintf(b, "  %-*s%s\n", helpColumn-2, option, text)
}

// helpColumn is the column of the texts.
const helpColumn = 40
