package config

import (
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emperor-go/emperor/pkg/hooks"
)

// emperorHookOptions are the hooks of the emperor's own file.
func emperorHookOptions() table[Emperor] {
	rows := append(surroundings(func(e *Emperor) *Surroundings { return &e.Around }), table[Emperor]{
		{
			name: "emperor-allow-attr", group: "Hooks", arg: "OPTION|PHASE,…", repeat: true,
			help: "hooks of the emperor that the section [emperor] of a vassal's file may give, where root owns the file",
			set:  setAllowed,
		},
		{
			name: "emperor-hook-timeout", group: "Hooks", arg: "TIME", def: "30", help: "bound of each hook; 0: none",
			set: duration(func(e *Emperor) *time.Duration { return &e.HookTimeout }),
		},
	}...)
	return hookOptions(rows, hooks.Emperor, func(e *Emperor) hooks.Set { return e.Hooks })
}

// vassalHookOptions are the hooks of a vassal's file.
func vassalHookOptions() table[Vassal] {
	rows := append(surroundings(func(v *Vassal) *Surroundings { return &v.Around }), table[Vassal]{
		{
			name: "hook-timeout", group: "Hooks", arg: "TIME", def: "30", help: "bound of each hook; 0: none",
			set: duration(func(v *Vassal) *time.Duration { return &v.HookTimeout }),
		},
		{
			name: "jailed", group: "Hooks", help: "run the post-jail hooks although no option here jails the vassal",
			set: func(v *Vassal, t value) error { v.Jailed = parseBool(t.text); return nil },
		},
	}...)
	return hookOptions(rows, hooks.Vassal, func(v *Vassal) hooks.Set { return v.Hooks })
}

// hookOptions adds a row for each kind of hook in each phase of one program. They are
// many, and what is made on the way to them stays in the memory of each vassal.
func hookOptions[T any](rows table[T], who hooks.Who, set func(*T) hooks.Set) table[T] {
	more := 0
	for _, info := range hooks.Phases() {
		if info.Who == who {
			more += len(info.Kinds)
		}
	}
	rows = slices.Grow(rows, more)
	for _, info := range hooks.Phases() {
		if info.Who != who {
			continue
		}
		change := Respawn
		if info.Serving() {
			change = Reload
		}
		for _, kind := range info.Kinds {
			rows = append(rows, option[T]{
				name: hooks.Spec{Phase: info.Phase, Kind: kind}.Option(), group: "Hooks", arg: hookSyntax(info, kind), repeat: true, help: info.Help,
				tyrant: info.AsUser(), change: change,
				set: func(t *T, v value) error {
					h, err := hooks.Parse(hooks.Spec{Phase: info.Phase, Kind: kind, Text: v.text, Origin: v.origin.String()})
					var wrong *hooks.SyntaxError
					if errors.As(err, &wrong) {
						return hinted{wrong.What, wrong.Hint}
					}
					if err == nil {
						set(t).Add(h)
					}
					return err
				},
			})
		}
	}
	return rows
}

// hookSyntax is what the value of such an option looks like.
func hookSyntax(info hooks.PhaseInfo, kind hooks.Kind) string {
	if info.Subject != "" {
		return info.Subject + " " + kind.Syntax()
	}
	return kind.Syntax()
}

// surroundings are the options about hooks as a whole, the same in both programs.
func surroundings[T any](field func(*T) *Surroundings) table[T] {
	return table[T]{
		{
			name: "binsh", group: "Hooks", arg: "PATH", def: "/bin/sh", repeat: true, help: "shell of exec hooks; the first that can be run counts",
			set: func(t *T, v value) error {
				field(t).Shells = append(field(t).Shells, v.text)
				return absolute(v.text, "such as /bin/bash")
			},
		},
		{
			name: "dlopen", group: "Hooks", arg: "FILE", repeat: true, help: "load a shared library of C for call hooks, before any phase; failure ends the program",
			set: func(t *T, v value) error {
				field(t).Libraries.Plugins = append(field(t).Libraries.Plugins, hooks.Plugin{Name: v.text})
				return absolute(v.text, "such as /usr/lib/libhooks.so")
			},
		},
		{
			name: "need-plugin", aliases: []string{"need-plugins"}, group: "Hooks", arg: "PLUGIN[|INIT]", repeat: true,
			help: "as plugin, but failure ends the program", set: plugins(field, false),
		},
		{
			name: "plugin", aliases: []string{"plugins"}, group: "Hooks", arg: "PLUGIN[|INIT]", repeat: true,
			help: "load a shared library of C by path, or by name from plugin-dir, and call INIT; without it all goes on", set: plugins(field, true),
		},
		{
			name: "plugin-dir", aliases: []string{"plugins-dir"}, group: "Hooks", arg: "DIR", repeat: true, help: "look for plugins there",
			set: func(t *T, v value) error {
				field(t).Libraries.Dirs = append(field(t).Libraries.Dirs, v.text)
				return absolute(v.text, "such as /usr/lib/emperor")
			},
		},
	}
}

// plugins adds a list of them, divided by commas as in uWSGI.
func plugins[T any](field func(*T) *Surroundings, optional bool) func(*T, value) error {
	return func(t *T, v value) error {
		for name := range strings.SplitSeq(v.text, ",") {
			p, err := hooks.ParsePlugin(name, optional)
			var wrong *hooks.SyntaxError
			if errors.As(err, &wrong) {
				return hinted{wrong.What, wrong.Hint}
			}
			l := &field(t).Libraries
			l.Plugins = append(l.Plugins, p)
		}
		return nil
	}
}

// Surroundings is what hooks find around them.
type Surroundings struct {
	// Shells are tried in order for commands, before /bin/sh. Absolute paths.
	Shells []string
	// Libraries are those of C, for call hooks.
	Libraries hooks.Libraries
}

func absolute(path, hint string) error {
	if !filepath.IsAbs(path) {
		return hinted{strconv.Quote(path) + " is not an absolute path", hint}
	}
	return nil
}
