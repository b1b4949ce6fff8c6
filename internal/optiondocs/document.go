package optiondocs

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/uwsginames"
	"github.com/emperor-go/emperor/pkg/config"
)

// folded leaves out the rows of hooks, one for each kind in each phase: the row of exec, or
// another one, represents all kinds.
func folded(sections []config.Section) []config.Section {
	var list []config.Section
	for _, s := range sections {
		all := s.Options
		s.Options = nil
		for _, d := range all {
			exec := "exec-" + d.Phase
			if d.Phase != "" && d.Name != exec && slices.ContainsFunc(all, func(other config.Described) bool { return other.Name == exec }) {
				continue
			}
			s.Options = append(s.Options, d)
		}
		list = append(list, s)
	}
	return list
}

// foldedText lists the other kinds of each hook.
const foldedText = "Beside exec-PHASE there are hook-PHASE, call-PHASE, mount-PHASE and umount-PHASE"

// notes returns the additional information about a row.
func notesOf(d config.Described) string {
	var notes []string
	if len(d.Aliases) > 0 {
		notes = append(notes, "also "+strings.Join(d.Aliases, ", "))
	}
	if d.Repeat {
		notes = append(notes, "may be repeated")
	}
	if d.Guard {
		notes = append(notes, "two different values are a mistake")
	}
	if d.Since != "" {
		notes = append(notes, "since "+d.Since)
	}
	return strings.Join(notes, "; ")
}

// writeOptions prints all options of both programs as docs/options.md.
func writeOptions(w io.Writer) error {
	var b strings.Builder
	b.WriteString(`<!-- Generated from the option tables of pkg/config by make docs. Do not edit. -->

# Options

An option is a line ` + "`name = value`" + ` under ` + "`[uwsgi]`" + `, ` + "`[emperor]`" + ` or ` + "`[vassal]`" + ` in a file, or ` + "`--name value`" + ` on the command line.
Names marked with ° are our own. All others are uWSGI's and have the same meaning.

- *Default* applies when no line sets the option. A flag has none: it is off.
- *Change* is the effect of a new value in the file of a running vassal. reload: the vassal keeps its pid, its namespaces and its
  sockets, and starts new workers. respawn: the vassal is stopped and started again.

The emperor accepts every option in every file that it watches, regardless of the owner, unless it runs vassals as the owners of their files
(` + "`emperor-tyrant`" + `, [tenants](containment.md#tenants)). Then the file of a tenant cannot contain options marked with †, which act with the operator's rights.

Values: TIME is in seconds, or has units, such as 500ms or 1m30s. A flag is off for false, off, no and 0, and on for anything else.
USER and GROUP are a number or a name; any other value is an error and never means root.
`)
	b.WriteString("\n## The emperor\n")
	writeSections(&b, folded(config.EmperorOptions()), false)
	b.WriteString("\n## A vassal\n")
	writeSections(&b, folded(config.VassalOptions()), true)
	writeOthers(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// writeOthers describes the treatment of uWSGI options that are not options here.
func writeOthers(b *strings.Builder) {
	b.WriteString(`
## Other options of uWSGI

All other options of uWSGI 2.0 and its plugins are known by name, and have no effect here. A warning reports each of them, with its
replacement. A … in a name is any end of it:

| Instead of | Use |
|---|---|
`)
	var order []string
	names := map[string][]string{}
	for name, remedy := range uwsginames.Remedies {
		if names[remedy] == nil {
			order = append(order, remedy)
		}
		names[remedy] = append(names[remedy], "`"+strings.Replace(name, "*", "…", 1)+"`")
	}
	slices.Sort(order)
	for _, remedy := range order {
		fmt.Fprintf(b, "| %s | %s |\n", strings.Join(names[remedy], ", "), cell(remedy))
	}
	b.WriteString("\nOptions that confine a vassal are errors until they are supported, because a vassal never runs with more rights than its\n" +
		"file grants:")
	for _, name := range uwsginames.Unsupported {
		if !config.HasOption(name) {
			b.WriteString(" `" + name + "`")
		}
	}
	b.WriteString(`.

A key that neither program nor uWSGI knows is a placeholder, for ` + "`%(key)`" + `. With ` + "`strict = true`" + ` it is an error. Otherwise
a warning names each key that resembles an option, and another warning names all other keys that no value and no condition uses. (Keys
of templates, of ` + "`vassal-set`" + ` and of the environment are not reported, because other vassals may use them.) A misspelt key for which an
option is missing is an error. The following keys are errors as well, with strict or without:

- a key that resembles ` + "`uid`" + `, ` + "`gid`" + ` or ` + "`add-gid`" + `, such as ` + "`u1d`" + `, ` + "`User`" + `, ` + "`run-as`" + ` or ` + "`groups`" + `, also beside the option itself; words with a
  meaning of their own, such as ` + "`uuid`" + `, ` + "`grid`" + ` or ` + "`users`" + `, only when the option is missing;
- a key that resembles another option about rights or their preparation: hooks, ` + "`umask`" + `, ` + "`emperor-use-clone`" + `, ` + "`vassals-include`" + ` and similar options;
- an unknown key whose name suggests confinement, in any spelling: ` + "`NoNewPrivileges`" + `, ` + "`no-new-privs`" + `, ` + "`seccomp`" + `, ` + "`memory-limit`" + `, ` + "`cap-drop`" + `,
  ` + "`linux.resources`" + `, and one inside a mapping of YAML or JSON, such as ` + "`{\"linux\": {\"resources\": …}}`" + `;
- an option about rights without its ` + "`=`" + `, such as ` + "`uid nobody`" + ` or ` + "`uid: nobody`" + `.

A key that the file or a template uses as ` + "`%(key)`" + ` or tests with ` + "`if-opt`" + `, or that ` + "`set-placeholder`" + ` sets, is a placeholder and none of
these. The same holds for options marked with °: in a file that uses ` + "`%(command)`" + ` the line ` + "`command = …`" + ` is a placeholder, with a warning. Write
the option as ` + "`vassal-command`" + `, or in the emperor's file as ` + "`emperor-…`" + `.
`)
}

func writeSections(b *strings.Builder, sections []config.Section, vassal bool) {
	for _, s := range sections {
		fmt.Fprintf(b, "\n### %s\n\n", s.Heading)
		if vassal {
			b.WriteString("| Option | Value | Default | Change | Meaning |\n|---|---|---|---|---|\n")
		} else {
			b.WriteString("| Option | Value | Default | Meaning |\n|---|---|---|---|\n")
		}
		for _, d := range s.Options {
			name := "`" + d.Name + "`"
			if _, known := uwsginames.Lookup(d.Name); !known {
				name += "°"
			}
			if vassal && !d.Tenant {
				name += "†"
			}
			fmt.Fprintf(b, "| %s | %s | %s |", name, cell(d.Arg), cell(d.Def))
			if vassal {
				fmt.Fprintf(b, " %s |", d.Change)
			}
			text := d.Help
			if notes := notesOf(d); notes != "" {
				text += " (" + notes + ")"
			}
			fmt.Fprintf(b, " %s |\n", cell(text))
		}
		if s.Heading == "Hooks" {
			b.WriteString("\n" + foldedText + "; `hooks.md` has their values.\n")
		}
	}
}

// cell escapes a text for a table of Markdown.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`, "[", `\[`).Replace(s)
}
