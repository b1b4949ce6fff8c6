package config

import (
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/emperor-go/emperor/pkg/hooks"
)

// emperorHookOptions are the hooks of the emperor's own file.
func emperorHookOptions() table[Emperor] {
	return slices.Concat(surroundings(func(e *Emperor) *Surroundings { return &e.Around }), table[Emperor]{
		{
			name: "emperor-hook-timeout", group: "Hooks", arg: "TIME", def: "30", help: "bound of each hook; 0: none",
			set: duration(func(e *Emperor) *time.Duration { return &e.HookTimeout }),
		},
	}, hookOptions(hooks.Emperor, func(e *Emperor) hooks.Set { return e.Hooks }))
}

// vassalHookOptions are the hooks of a vassal's file.
func vassalHookOptions() table[Vassal] {
	return slices.Concat(surroundings(func(v *Vassal) *Surroundings { return &v.Around }), table[Vassal]{
		{
			name: "hook-timeout", group: "Hooks", arg: "TIME", def: "30", help: "bound of each hook; 0: none",
			set: duration(func(v *Vassal) *time.Duration { return &v.HookTimeout }),
		},
		{
			name: "jailed", group: "Hooks", help: "run the post-jail hooks although no option here jails the vassal",
			set: func(v *Vassal, t value) error { v.Jailed = parseBool(t.text); return nil },
		},
	}, hookOptions(hooks.Vassal, func(v *Vassal) hooks.Set { return v.Hooks }))
}

// hookOptions makes a row for each kind of hook in each phase of one program.
func hookOptions[T any](who hooks.Who, set func(*T) hooks.Set) table[T] {
	var rows table[T]
	for _, info := range hooks.Phases() {
		if info.Who != who {
			continue
		}
		for _, kind := range info.Kinds {
			rows = append(rows, option[T]{
				name: hooks.Spec{Phase: info.Phase, Kind: kind}.Option(), group: "Hooks", arg: hookSyntax(info, kind), repeat: true, help: info.Help,
				tyrant: info.AsUser(),
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
	}
}

// Surroundings is what hooks find around them.
type Surroundings struct {
	// Shells are tried in order for commands, before /bin/sh. Absolute paths.
	Shells []string
}

func absolute(path, hint string) error {
	if !filepath.IsAbs(path) {
		return hinted{strconv.Quote(path) + " is not an absolute path", hint}
	}
	return nil
}
