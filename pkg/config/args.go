package config

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

// ErrHelp and ErrVersion are what parsing a command line returns that asks for
// the help or the version.
var (
	ErrHelp    = pflag.ErrHelp
	ErrVersion = errors.New("version asked for")
)

// ParseEmperor reads the emperor's command line, without the program's name:
// options as in its ini file, --ini FILE at any place, and bare arguments, which
// are monitors. Options count in the order in which they stand, those of a file
// at the place of the file. On mistakes the error is Problems with all of them.
func ParseEmperor(args []string) (e *Emperor, warnings Problems, err error) {
	line := commandLine[Emperor]{table: emperorOptions(), sections: []string{"uwsgi", "emperor"}}
	if err := line.parse("emperor", args); err != nil {
		return nil, nil, err
	}
	for _, dir := range line.bare {
		line.entries = append(line.entries, entry{key: "emperor", value: dir})
	}
	expand(line.entries, &line.problems)
	e = defaultEmperor()
	warnings, problems := line.table.decode(line.entries, e)
	problems = append(line.problems, problems...)
	if len(e.Monitors) == 0 && len(problems) == 0 {
		problems.add(Origin{}, "emperor", "no directory to watch", "such as emperor /etc/vassals")
	}
	if err := problems.err(); err != nil {
		return nil, warnings, err
	}
	return e, warnings, nil
}

// ParseVassalArgs reads a vassal's command line, without the program's name:
// --ini FILE or the file alone, and any option of the vassal.
func ParseVassalArgs(args []string) (v *Vassal, warnings Problems, err error) {
	line := commandLine[Vassal]{table: vassalOptions(), sections: []string{"uwsgi", "vassal"}}
	if err := line.parse("vassal", args); err != nil {
		return nil, nil, err
	}
	for _, file := range line.bare {
		line.load(file)
	}
	return finishVassal("", line.entries, line.problems)
}

// commandLine collects options in order.
type commandLine[T any] struct {
	table    table[T]
	sections []string
	entries  []entry
	problems Problems
	bare     []string
}

// flags makes a flag of each row. Setting one appends an entry: what it means is
// decided later, and in order.
func (c *commandLine[T]) flags(program string) *pflag.FlagSet {
	set := pflag.NewFlagSet(program, pflag.ContinueOnError)
	set.SortFlags = false
	set.Usage = func() {}
	set.SetOutput(io.Discard)
	add := func(name, key, arg string, do func(string)) {
		f := set.VarPF(appender{do}, name, "", "")
		if f.Usage = key; arg == "" {
			f.NoOptDefVal = "true"
		}
	}
	for _, o := range c.table {
		for _, name := range append([]string{o.name}, o.aliases...) {
			add(name, o.name, o.arg, func(v string) { c.entries = append(c.entries, entry{key: o.name, value: v}) })
		}
	}
	add("ini", "ini", "FILE", c.load)
	set.BoolP("help", "h", false, "")
	set.Bool("version", false, "")
	return set
}

func (c *commandLine[T]) parse(program string, args []string) error {
	set := c.flags(program)
	if err := set.Parse(args); errors.Is(err, pflag.ErrHelp) {
		return ErrHelp
	} else if err != nil {
		c.problems.add(Origin{}, "", err.Error(), program+" --help lists the options")
		return c.problems.err()
	}
	if version, _ := set.GetBool("version"); version {
		return ErrVersion
	}
	c.bare = set.Args()
	return nil
}

// load puts the options of a file in the place of its --ini.
func (c *commandLine[T]) load(name string) {
	src, err := open(name)
	if err != nil {
		c.problems.add(Origin{}, "ini", err.Error(), "")
		return
	}
	entries, problems := read(src, c.sections...)
	c.entries = append(c.entries, entries...)
	c.problems = append(c.problems, problems...)
}

// appender is a pflag.Value.
type appender struct{ do func(string) }

func (a appender) Set(v string) error { a.do(v); return nil }
func (a appender) String() string     { return "" }
func (a appender) Type() string       { return "value" }

// EmperorHelp prints the emperor's options, from its table.
func EmperorHelp(w io.Writer) error {
	return help(w, "Usage: emperor [OPTION…] DIR…\n\nSupervises one container for each vassal file in the directories.\n", emperorOptions())
}

// VassalHelp prints the vassal's options, from its table.
func VassalHelp(w io.Writer) error {
	return help(w, "Usage: vassal [OPTION…] --ini FILE\n\nBoots and serves what the file says, usually inside the namespaces an emperor made.\n", vassalOptions())
}

func help[T any](w io.Writer, usage string, t table[T]) error {
	var b strings.Builder
	b.WriteString(usage)
	for _, g := range groups {
		rows := t.group(g)
		if len(rows) > 0 {
			fmt.Fprintf(&b, "\n%s:\n", g)
		}
		for _, o := range rows {
			text := o.help
			if o.def != "" {
				text += " (default " + o.def + ")"
			}
			fmt.Fprintf(&b, "  --%-42s %s\n", strings.TrimSpace(o.name+" "+o.arg), text)
		}
	}
	b.WriteString("\nOther:\n  --ini FILE                                   read options from a file\n  --help, --version\n")
	_, err := io.WriteString(w, b.String())
	return err
}
