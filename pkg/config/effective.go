package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/dialect"
	"github.com/emperor-go/emperor/pkg/config/option"
)

// Setting is an effective option, with its own name and its value after all expansion.
type Setting struct {
	Name, Value string
	// Origin is the position of the line. It is empty when Default is true.
	Origin Origin
	// Default is true when no line sets the option.
	Default bool
	// Secret: the value is KEY=VALUE, and the part after the sign is for the operator alone.
	Secret bool
}

// Settings returns the effective options in order. An option that does not repeat has only its
// last value. With all, defaults follow.
func (v *Vassal) Settings(all bool) []Setting { return vassalOptions.settings(v.entries, all) }

// Settings is Vassal.Settings for the emperor's own options.
func (e *Emperor) Settings(all bool) []Setting { return emperorOptions.settings(e.entries, all) }

// Origin returns the position of the last line with the option. It is zero when the option is
// missing or was given on the command line.
func (v *Vassal) Origin(name string) Origin { return vassalOptions.origin(v.entries, name) }

// Origin is Vassal.Origin for the emperor's own options.
func (e *Emperor) Origin(name string) Origin { return emperorOptions.origin(e.entries, name) }

// Blame adds the option and its position to an error about it.
func (e *Emperor) Blame(name string, err error) error {
	if o := e.Origin(name); o != (Origin{}) {
		return fmt.Errorf("%v: %s: %w", o, name, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// OriginOf returns the position of the line in which the option has the value text, or a value
// that begins with text and a comma. Without such a line it returns Origin.
func (v *Vassal) OriginOf(name, text string) Origin {
	t := vassalOptions
	for _, e := range slices.Backward(v.entries) {
		if o := t.find(e.Key); o != nil && o.Name == name && !e.Handled && (e.Value == text || strings.HasPrefix(e.Value, text+",")) {
			return e.Origin
		}
	}
	return v.Origin(name)
}

// Blame adds the name of an option, and the position of its line if it is in a file, to an error
// that its use has caused. It returns nil for nil.
func (v *Vassal) Blame(name, text string, err error) error {
	if err == nil {
		return nil
	}
	if o := v.OriginOf(name, text); o != (Origin{}) {
		return fmt.Errorf("%v: %s: %w", o, name, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// Mentions reports whether any value contains a word, such as the name of a variable.
func (v *Vassal) Mentions(word string) bool {
	return slices.ContainsFunc(v.entries, func(e dialect.Entry) bool { return strings.Contains(e.Value, word) })
}

func (t table[T]) origin(entries []dialect.Entry, name string) Origin {
	for _, e := range slices.Backward(entries) {
		if o := t.find(e.Key); o != nil && o.Name == name && !e.Handled {
			return e.Origin
		}
	}
	return Origin{}
}

func (t table[T]) settings(entries []dialect.Entry, all bool) []Setting {
	var list []Setting
	last := map[string]int{} // index of the effective entry of each option
	for i, e := range entries {
		if o := t.find(e.Key); o != nil && !e.Handled {
			last[o.Name] = i
		}
	}
	for i, e := range entries {
		o := t.find(e.Key)
		if o == nil || e.Handled || !o.Repeat && last[o.Name] != i {
			continue
		}
		list = append(list, Setting{Name: o.Name, Value: textOf(o, e), Origin: e.Origin, Secret: o.Secret})
	}
	if !all {
		return list
	}
	for _, g := range groups {
		for _, o := range t.group(g) {
			if _, given := last[o.Name]; !given && (o.Def != "" || o.Arg == "") {
				list = append(list, Setting{Name: o.Name, Value: defaultOf(o), Default: true})
			}
		}
	}
	return list
}

// textOf returns the value of an entry. The value of a flag is always true or false.
func textOf[T any](o *option.Row[T], e dialect.Entry) string {
	switch {
	case o.Arg != "":
		return e.Value
	case option.ParseBool(e.Value):
		return "true"
	}
	return "false"
}

func defaultOf[T any](o *option.Row[T]) string {
	if o.Arg == "" && o.Def == "" {
		return "false"
	}
	return o.Def
}
