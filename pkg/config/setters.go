package config

import (
	"time"

	"github.com/emperor-go/emperor/pkg/hooks"
)

// The makers of setters: each takes the way to a field and returns what a row of
// a table does with a value.

func duration[T any](field func(*T) *time.Duration) func(*T, value) error {
	return func(t *T, v value) (err error) {
		*field(t), err = parseDuration(v.text)
		return err
	}
}

func positive[T any](field func(*T) *time.Duration) func(*T, value) error {
	return func(t *T, v value) (err error) {
		if *field(t), err = parseDuration(v.text); err == nil && *field(t) == 0 {
			err = hinted{"zero is no time to wait", "such as 500ms"}
		}
		return err
	}
}

func identity[T any](field func(*T) *Identity) func(*T, value) error {
	return func(t *T, v value) (err error) {
		*field(t), err = parseIdentity(v.text)
		return err
	}
}

func words[T any](field func(*T) *[]string) func(*T, value) error {
	return func(t *T, v value) (err error) {
		*field(t), err = parseWords(v.text)
		return err
	}
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
