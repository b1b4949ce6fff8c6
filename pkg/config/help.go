package config

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// helpOf is an ErrHelp for one group of options.
type helpOf struct{ group string }

func (h helpOf) Error() string        { return "help asked for on " + h.group }
func (h helpOf) Is(target error) bool { return target == ErrHelp }

// EmperorHelp prints the emperor's options, from its table; only one group when asked is the
// error of a command line that requested it.
func EmperorHelp(w io.Writer, asked error) error {
	return help(w, asked, emperorOptions, `Usage: emperor [OPTION…] DIR…
       emperor COMMAND …	(emperor help lists the commands)

Supervises one container for each vassal file in the directories.
`)
}

// VassalHelp prints the vassal's options in the same way.
func VassalHelp(w io.Writer, asked error) error {
	return help(w, asked, vassalOptions, `Usage: vassal [OPTION…] --ini FILE

Boots and serves what the file says, usually inside the namespaces an emperor made.
`)
}

func help[T any](w io.Writer, asked error, t table[T], usage string) error {
	var b strings.Builder
	var one helpOf
	if !errors.As(asked, &one) {
		b.WriteString(usage)
	}
	for _, s := range t.describe() {
		switch one.group {
		case "":
			helpRows(&b, s.heading, s.rows)
			if s.heading == "Hooks" {
				b.WriteString("  " + foldedText + "; --help hooks lists each\n")
			}
		case s.heading:
			helpRows(&b, s.heading, t.describeEach(s.heading))
		}
	}
	if one.group == "" {
		b.WriteString("\nGeneral:\n")
		helpLine(&b, "--ini FILE", "read options from a file, here")
		helpLine(&b, "--help [GROUP]", "print the options, or those of one group")
		if _, ok := any(t).(table[Vassal]); ok {
			helpLine(&b, "--pty-connect ADDRESS", "attach to the terminal behind a pty-socket")
		}
		helpLine(&b, "--version", "print the version")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func helpRows(b *strings.Builder, heading string, rows []described) {
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	fmt.Fprintf(b, "%s:\n", heading)
	for _, d := range rows {
		text := d.help
		if d.def != "" {
			text += " (default " + d.def + ")"
		}
		helpLine(b, strings.TrimSpace("--"+d.name+" "+d.arg), text)
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
