package config

import (
	"strings"
	"time"
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

func nonempty(s, what string) error {
	if s == "" {
		return hinted{what: what}
	}
	return nil
}

// unlessEmpty keeps the default of an option whose value may be left out; a plain
// yes is as good as none.
func unlessEmpty[T any](set func(*T, value) error) func(*T, value) error {
	return func(t *T, v value) error {
		switch strings.ToLower(v.text) {
		case "", "true", "on", "yes":
			return nil
		}
		return set(t, v)
	}
}

func text[T any](field func(*T) *string) func(*T, value) error {
	return func(t *T, v value) error {
		*field(t) = v.text
		return nonempty(v.text, "no value given")
	}
}

func yes[T any](field func(*T) *bool) func(*T, value) error {
	return func(t *T, v value) error {
		*field(t) = parseBool(v.text)
		return nil
	}
}
