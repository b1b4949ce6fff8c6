package config

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/pkg/hooks"
)

// described is a row of either table as the documents need it.
type described struct {
	name, arg, def, help, since string
	aliases                     []string
	repeat, guard               bool
	change                      Change
}

// section is one heading of the help with its rows, sorted by name.
type section struct {
	heading string
	rows    []described
}

// describe lists the rows by heading. The rows of hooks, one for each kind in each
// phase, are folded: that of exec, or what else there is, stands for all kinds.
func (t table[T]) describe() []section {
	var list []section
	for _, g := range t.groups() {
		rows := t.describeEach(g)
		s := section{heading: g}
		for _, d := range rows {
			phase, hook := hookPhase(d.name)
			if hook && d.name != "exec-"+phase && slices.ContainsFunc(rows, func(r described) bool { return r.name == "exec-"+phase }) {
				continue
			}
			s.rows = append(s.rows, d)
		}
		list = append(list, s)
	}
	return list
}

// foldedText says what else there is of each hook.
const foldedText = "Beside exec-PHASE there are hook-PHASE, call-PHASE, mount-PHASE and umount-PHASE"

// describeEach lists the rows under one heading, each for itself.
func (t table[T]) describeEach(heading string) []described {
	var rows []described
	for _, o := range t.group(heading) {
		rows = append(rows, described{o.Name, o.Arg, o.Def, o.Help, o.Since, o.Aliases, o.Repeat, o.Guard, o.Change})
	}
	return rows
}

// hookPhase returns the phase in the name of a hook's option.
func hookPhase(name string) (phase string, ok bool) {
	_, phase, _ = strings.Cut(name, "-")
	info, ok := hooks.Phase(phase).Info()
	if !ok { // call-as-root1
		phase = strings.TrimRight(phase, "0123456789")
		info, ok = hooks.Phase(phase).Info()
	}
	return string(info.Phase), ok
}

// notes are what there is to say about a row beside its help.
func (d described) notes() string {
	var notes []string
	if len(d.aliases) > 0 {
		notes = append(notes, "also "+strings.Join(d.aliases, ", "))
	}
	if d.repeat {
		notes = append(notes, "may be repeated")
	}
	if d.guard {
		notes = append(notes, "two different values are a mistake")
	}
	if d.since != "" {
		notes = append(notes, "since "+d.since)
	}
	return strings.Join(notes, "; ")
}

// WriteOptions prints all options of both programs as docs/options.md.
func WriteOptions(w io.Writer) error {
	var b strings.Builder
	b.WriteString(`<!-- Made from the option tables of pkg/config by make docs. Do not edit. -->

# Options

An option is a line ` + "`name = value`" + ` under ` + "`[uwsgi]`" + `, ` + "`[emperor]`" + ` or ` + "`[vassal]`" + ` in a file, or ` + "`--name value`" + ` on the command line.
Names marked with ° are our own. All others are uWSGI's and mean what they mean there.

- *Default* counts when nobody says anything. A flag has none: it is off.
- *Change* says what a new value in the file of a running vassal takes. reload: the vassal keeps its pid, its namespaces and its
  sockets, and starts new workers. respawn: it is stopped and started anew.

The emperor takes every option from every file that it watches, whoever owns it: [what holds a vassal](containment.md).

Values: TIME is in seconds, or has units, such as 500ms or 1m30s. A flag is off for false, off, no and 0, and on for anything else.
USER and GROUP are a number or a name; a value that is neither is a mistake and never means root.
`)
	b.WriteString("\n## The emperor\n")
	writeSections(&b, emperorOptions.describe(), false)
	b.WriteString("\n## A vassal\n")
	writeSections(&b, vassalOptions.describe(), true)
	writeOthers(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// writeOthers says what becomes of the options of uWSGI that are no options here.
func writeOthers(b *strings.Builder) {
	b.WriteString(`
## Other options of uWSGI

All other options of uWSGI 2.0 and its plugins are known by name. Most do nothing here, and using one is worth a warning, which
says what to use instead where there is something:

| Instead of | Use |
|---|---|
`)
	var hints []string
	names := map[string][]string{}
	for name := range uwsgiNames {
		hint := instead(name)
		if hint == "" || whose(name) != "" {
			continue
		}
		if names[hint] == nil {
			hints = append(hints, hint)
		}
		if f := familyOf(name); f.hint == hint {
			name = f.prefix + "…"
		}
		if name = "`" + name + "`"; !slices.Contains(names[hint], name) {
			names[hint] = append(names[hint], name)
		}
	}
	slices.Sort(hints)
	for _, hint := range hints {
		fmt.Fprintf(b, "| %s | %s |\n", strings.Join(names[hint], ", "), cell(hint))
	}
	b.WriteString("\nThose that confine a vassal are mistakes until they are supported, because a vassal never runs with more rights than its\n" +
		"file says:")
	for _, name := range confining {
		if whose(name) == "" {
			b.WriteString(" `" + name + "`")
		}
	}
	b.WriteString(`.

A key that neither program nor uWSGI knows is a placeholder, for ` + "`%(key)`" + `. With ` + "`strict = true`" + ` it is a mistake. Without,
a warning names each key that looks like a misspelt option, and another all other keys that no value and no condition uses. (Those
of templates, of ` + "`vassal-set`" + ` and of the environment are not told: other vassals may use them.) A misspelt key for which an option is
missing is a mistake. So are these, strict or not:

- a key that was meant for ` + "`uid`, `gid` or `add-gid`, such as `u1d`, `User`, `run-as` or `groups`" + `, also where that is given; words that may well be
  meant as they are, such as ` + "`uuid`, `grid` or `users`" + `, count only where it is not;
- a key near to another option that decides on rights or prepares them: hooks, ` + "`umask`, `emperor-use-clone`, `vassals-include`" + ` and the like;
- a key that sounds like confinement in whatever spelling: ` + "`NoNewPrivileges`, `no-new-privs`, `seccomp`, `memory-max`, `cap-drop`" + `,
  ` + "`linux.resources`" + `, and one inside a mapping of YAML or JSON, such as ` + "`{\"linux\": {\"resources\": …}}`" + `;
- an option that decides on rights and stands without its ` + "`=`, such as `uid nobody` or `uid: nobody`" + `.

A key that the file or a template uses as ` + "`%(key)`" + ` or asks for with ` + "`if-opt`" + `, or that ` + "`set-placeholder`" + ` sets, is a placeholder and none of these. That is true of options
marked with ° as well: in a file that uses ` + "`%(command)`" + ` the line ` + "`command = …`" + ` is a placeholder, with a warning, and the option is written
` + "`vassal-command`, in the emperor's file `emperor-…`" + `.
`)
}

func writeSections(b *strings.Builder, sections []section, vassal bool) {
	for _, s := range sections {
		fmt.Fprintf(b, "\n### %s\n\n", s.heading)
		if vassal {
			b.WriteString("| Option | Value | Default | Change | Meaning |\n|---|---|---|---|---|\n")
		} else {
			b.WriteString("| Option | Value | Default | Meaning |\n|---|---|---|---|\n")
		}
		for _, d := range s.rows {
			name := "`" + d.name + "`"
			if _, known := uwsgiKnows(d.name); !known {
				name += "°"
			}
			fmt.Fprintf(b, "| %s | %s | %s |", name, cell(d.arg), cell(d.def))
			if vassal {
				fmt.Fprintf(b, " %s |", d.change)
			}
			text := d.help
			if notes := d.notes(); notes != "" {
				text += " (" + notes + ")"
			}
			fmt.Fprintf(b, " %s |\n", cell(text))
		}
		if s.heading == "Hooks" {
			b.WriteString("\n" + foldedText + "; `hooks.md` has their values.\n")
		}
	}
}

// cell is a text inside a table of Markdown.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`, "[", `\[`).Replace(s)
}
