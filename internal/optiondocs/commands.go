package optiondocs

import (
	"fmt"
	"io"
	"strings"
)

// Command is a command of emperor, for its help and its manual page.
type Command struct {
	// Use is the name with its arguments, and Short a line about it.
	Use, Short string
	// Long is the help, in which a line that begins with two spaces is an example.
	Long    string
	Aliases []string
	Flags   []CommandFlag
}

// CommandFlag is an option of a command.
type CommandFlag struct {
	// Name is the option with its dashes, and Arg its argument. Empty: it has none.
	Name, Arg string
	Help      string
}

// Exit is an exit code of emperor.
type Exit struct {
	// Code is a number, or a text such as 128+N.
	Code    string
	Meaning string
	// More has the commands for which it means something else or more. Empty: none.
	More string
}

// Text returns the meaning with the commands.
func (x Exit) Text() string {
	if x.More == "" {
		return x.Meaning
	}
	return x.Meaning + " (" + x.More + ")"
}

// Reference is the part of the help and the manual page of emperor that describes its commands.
type Reference struct {
	Commands []Command
	Exits    []Exit
}

// helpReference prints the commands and the exit codes in front of the options.
func helpReference(b *strings.Builder, r Reference) {
	helpCommands(b, r.Commands)
	if len(r.Exits) > 0 {
		b.WriteString("\nExit status:\n")
	}
	for _, x := range r.Exits {
		helpLine(b, x.Code, x.Text())
	}
}

// helpCommands prints the commands in front of the options.
func helpCommands(b *strings.Builder, commands []Command) {
	if len(commands) == 0 {
		return
	}
	b.WriteString("\nCommands (emperor help COMMAND explains one):\n")
	for _, c := range commands {
		helpLine(b, c.Use, c.Short)
	}
}

// EmperorManual prints the manual page of emperor with its commands and exit codes.
func EmperorManual(w io.Writer, r Reference) error {
	var b strings.Builder
	header(&b, "emperor.8")
	b.WriteString(emperorManual)
	manualCommands(&b, r.Commands)
	b.WriteString(".SH OPTIONS\n")
	emperorOptions(&b)
	b.WriteString(".SH EXIT STATUS\n")
	for _, x := range r.Exits {
		fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(x.Code), roff(sentence(x.Text())))
	}
	b.WriteString(emperorManualExamples)
	_, err := io.WriteString(w, b.String())
	return err
}

// manualCommands prints each command with its help and its options.
func manualCommands(b *strings.Builder, commands []Command) {
	for _, c := range commands {
		fmt.Fprintf(b, ".SS %s\n", roff("emperor "+c.Use))
		paragraphs(b, c.Long, sentence(c.Short))
		if len(c.Aliases) > 0 {
			fmt.Fprintf(b, ".PP\nAlso: %s.\n", roff(strings.Join(c.Aliases, ", ")))
		}
		for _, f := range c.Flags {
			fmt.Fprintf(b, ".TP\n\\fB%s\\fR", roff(f.Name))
			if f.Arg != "" {
				fmt.Fprintf(b, " \\fI%s\\fR", roff(f.Arg))
			}
			b.WriteString("\n" + roff(sentence(f.Help)) + "\n")
		}
	}
}

// paragraphs prints a help text; without one, the line about the command.
func paragraphs(b *strings.Builder, text, line string) {
	if text == "" {
		text = line
	}
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		b.WriteString(".PP\n")
		var examples []string
		flush := func() {
			if len(examples) > 0 {
				b.WriteString(example(examples...))
			}
			examples = nil
		}
		for line := range strings.SplitSeq(strings.TrimSpace(paragraph), "\n") {
			if strings.HasPrefix(line, "  ") {
				examples = append(examples, strings.TrimSpace(line))
				continue
			}
			flush()
			b.WriteString(roff(strings.TrimSpace(line)) + "\n")
		}
		flush()
	}
}
