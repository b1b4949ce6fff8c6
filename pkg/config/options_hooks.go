package config

import (
	"time"

	"github.com/emperor-go/emperor/pkg/hooks"
)

// emperorHookOptions are the hooks of the emperor's own file.
func emperorHookOptions() table[Emperor] {
	return append(table[Emperor]{
		{name: "emperor-hook-timeout", group: "Hooks", arg: "TIME", def: "30", help: "bound of each hook; 0: none",
			set: duration(func(e *Emperor) *time.Duration { return &e.HookTimeout })},
	}, hookOptions(hooks.Emperor, func(e *Emperor) hooks.Set { return e.Hooks })...)
}

// vassalHookOptions are the hooks of a vassal's file.
func vassalHookOptions() table[Vassal] {
	return append(table[Vassal]{
		{name: "hook-timeout", group: "Hooks", arg: "TIME", def: "30", help: "bound of each hook; 0: none",
			set: duration(func(v *Vassal) *time.Duration { return &v.HookTimeout })},
	}, hookOptions(hooks.Vassal, func(v *Vassal) hooks.Set { return v.Hooks })...)
}

// hookOptions makes a row for each kind of hook in each phase of one program.
func hookOptions[T any](who hooks.Who, set func(*T) hooks.Set) table[T] {
	var rows table[T]
	for _, info := range hooks.Phases() {
		if info.Who != who {
			continue
		}
		for _, kind := range hooks.Kinds() {
			spec := hooks.Spec{Phase: info.Phase, Kind: kind}
			rows = append(rows, option[T]{
				name: spec.Option(), group: "Hooks", arg: "COMMAND", repeat: true, help: info.Help,
				tyrant: info.Phase == hooks.AsUser || info.Phase == hooks.PreApp, // they run as the user
				set: func(t *T, v value) error {
					h, err := hooks.Parse(hooks.Spec{Phase: info.Phase, Kind: kind, Text: v.text, Origin: v.origin.String()})
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
