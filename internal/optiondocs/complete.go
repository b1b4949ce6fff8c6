package optiondocs

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/uwsginames"
	"github.com/emperor-go/emperor/pkg/config"
)

// Shells are the shells for which VassalCompletion has a script.
func Shells() []string { return []string{"bash", "fish", "zsh"} }

// VassalCompletion prints a script that completes the vassal's options in one of Shells. The
// script contains all its data and does not run the vassal, so that the vassal's start
// contains nothing for shells.
func VassalCompletion(w io.Writer, shell string) error {
	var groups []string
	list := []completion{
		{name: "ini", help: "read options from a file, here", value: uwsginames.NeedsValue, kind: "file"},
		{name: "version", help: "print the version"},
		{name: "help", help: "print the options, all or of one group", value: uwsginames.OptionalValue, kind: "group"},
		{name: "pty-connect", help: "attach to the terminal behind a pty-socket", value: uwsginames.NeedsValue, kind: "file"},
		{name: "show-config", help: "print the effective configuration, as ini"},
	}
	for _, s := range config.VassalOptions() {
		groups = append(groups, s.Heading)
		for _, o := range s.Options {
			if !slices.ContainsFunc(list, func(c completion) bool { return c.name == o.Name }) {
				list = append(list, completion{o.Name, o.Help, o.Shape, kindOf(o.Arg)})
			}
		}
	}
	slices.SortFunc(list, func(a, b completion) int { return cmp.Compare(a.name, b.name) })
	var b strings.Builder
	switch shell {
	case "bash":
		bashCompletion(&b, list, groups)
	case "fish":
		fishCompletion(&b, list, groups)
	case "zsh":
		zshCompletion(&b, list, groups)
	default:
		return fmt.Errorf("no completion for %q: there are %s", shell, strings.Join(Shells(), ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// completion is one option in a completion script.
type completion struct {
	name, help string
	value      uwsginames.Shape
	kind       string // kind of the value: file, dir, group, or empty for anything
}

// kindOf reports, by the form of an argument, whether it is a path that a shell can complete.
func kindOf(arg string) string {
	switch strings.Trim(arg, "[]") {
	case "DIR":
		return "dir"
	case "ADDRESS", "COMMAND", "FILE", "FILE|journal", "PATH", "PROGRAM", "PROGRAM ARGS…":
		return "file"
	}
	return ""
}

// ofKind lists the options whose value has a kind, as a pattern of bash's case.
func ofKind(list []completion, fits func(completion) bool) string {
	var names []string
	for _, c := range list {
		if fits(c) {
			names = append(names, "--"+c.name)
		}
	}
	return strings.Join(names, "|")
}

func bashCompletion(b *strings.Builder, list []completion, groups []string) {
	fmt.Fprintf(b, `# Completes the options of vassal in bash. Made by: emperor completion --program vassal bash
_vassal() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
	local IFS=$'\n'
	case $before in
	%s)
		compopt -o filenames
		COMPREPLY=($(compgen -f -- "$word")); return ;;
	%s)
		compopt -o filenames
		COMPREPLY=($(compgen -d -- "$word")); return ;;
	--help)
		if [[ $word != -* ]]; then
			COMPREPLY=($(compgen -W %s -- "$word" | sed 's/ /\\ /g')); return
		fi ;;
	%s)
		return ;;
	esac
	case $word in
	-*) COMPREPLY=($(compgen -W "$_vassal_options" -- "$word")) ;;
	*) compopt -o filenames
		COMPREPLY=($(compgen -f -- "$word")) ;;
	esac
}
_vassal_options=%s
complete -F _vassal vassal
`,
		ofKind(list, func(c completion) bool { return c.value == uwsginames.NeedsValue && c.kind == "file" }),
		ofKind(list, func(c completion) bool { return c.value == uwsginames.NeedsValue && c.kind == "dir" }),
		shellQuote(strings.Join(groups, "\n")),
		ofKind(list, func(c completion) bool { return c.value == uwsginames.NeedsValue && c.kind == "" }),
		shellQuote(strings.ReplaceAll(ofKind(list, func(completion) bool { return true }), "|", "\n")))
}

func fishCompletion(b *strings.Builder, list []completion, groups []string) {
	b.WriteString("# Completes the options of vassal in fish. Made by: emperor completion --program vassal fish\n")
	for _, c := range list {
		fmt.Fprintf(b, "complete -c vassal -l %s -d %s", c.name, fishQuote(c.help))
		switch {
		case c.kind == "group":
			fmt.Fprintf(b, " -f -a %s", fishQuote(strings.Join(groups, "\n")))
		case c.kind == "dir":
			b.WriteString(" -x -a '(__fish_complete_directories)'")
		case c.kind == "file" && c.value == uwsginames.NeedsValue:
			b.WriteString(" -r -F")
		case c.value == uwsginames.NeedsValue:
			b.WriteString(" -x")
		}
		b.WriteString("\n")
	}
}

func zshCompletion(b *strings.Builder, list []completion, groups []string) {
	b.WriteString("#compdef vassal\n# Completes the options of vassal in zsh. Made by: emperor completion --program vassal zsh\n_vassal() {\n_arguments \\\n")
	for _, c := range list {
		action := map[string]string{"file": "_files", "dir": "_files -/", "group": "(" + strings.ReplaceAll(strings.Join(groups, "\n"), " ", `\ `) + ")"}[c.kind]
		name, value := c.name, ""
		switch c.value {
		case uwsginames.NeedsValue:
			name += "=" // or the next word
			value = ":value:" + strings.ReplaceAll(action, "\n", " ")
		case uwsginames.OptionalValue:
			value = "::value:" + strings.ReplaceAll(action, "\n", " ")
		}
		help := strings.NewReplacer("[", `\[`, "]", `\]`, ":", `\:`).Replace(c.help)
		fmt.Fprintf(b, "  %s \\\n", shellQuote("*--"+name+"["+help+"]"+value))
	}
	// zsh runs a file of its path as the function; a sourced one defines it.
	b.WriteString("  '*:file:_files'\n}\nif [ \"$funcstack[1]\" = _vassal ]; then\n  _vassal \"$@\"\nelse\n  compdef _vassal vassal\nfi\n")
}

// shellQuote quotes s as one word for sh(1).
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// fishQuote quotes s as one word for fish, whose quotes know the backslash.
func fishQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}
