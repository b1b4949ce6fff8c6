package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/dialect"
	"github.com/emperor-go/emperor/pkg/config/option"
)

// Setting is an effective option: after all expansion, under its own name.
type Setting struct {
	Name, Value string
	// Origin is where it was written. It is empty when Default is true.
	Origin Origin
	// Default is true when no line sets the option.
	Default bool
}

// Settings lists the effective options, in order: of one that does not repeat only the last.
// With all, defaults follow.
func (v *Vassal) Settings(all bool) []Setting { return vassalOptions.settings(v.entries, all) }

// Settings is the same for the emperor's own options.
func (e *Emperor) Settings(all bool) []Setting { return emperorOptions.settings(e.entries, all) }

// Origin returns where the option was written last. It is zero when it was not written, or on
// the command line.
func (v *Vassal) Origin(name string) Origin { return vassalOptions.origin(v.entries, name) }

// Origin is the same for the emperor's own options.
func (e *Emperor) Origin(name string) Origin { return emperorOptions.origin(e.entries, name) }

// Blame adds the option and its position to an error about it.
func (e *Emperor) Blame(name string, err error) error {
	if o := e.Origin(name); o != (Origin{}) {
		return fmt.Errorf("%v: %s: %w", o, name, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// OriginOf returns where the option has that value, or a value that begins with it and a
// comma. Otherwise it is Origin.
func (v *Vassal) OriginOf(name, text string) Origin {
	t := vassalOptions
	for _, e := range slices.Backward(v.entries) {
		if o := t.find(e.Key); o != nil && o.Name == name && !e.Handled && (e.Value == text || strings.HasPrefix(e.Value, text+",")) {
			return e.Origin
		}
	}
	return v.Origin(name)
}

// Blame adds an option, and its line if it is in a file, to an error about its use. It returns
// nil for nil.
func (v *Vassal) Blame(name, text string, err error) error {
	if err == nil {
		return nil
	}
	if o := v.OriginOf(name, text); o != (Origin{}) {
		return fmt.Errorf("%v: %s: %w", o, name, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// Mentions reports whether any value contains the word, such as the name of a variable.
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
	last := map[string]int{} // the effective entry of each option
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
		list = append(list, Setting{Name: o.Name, Value: textOf(o, e), Origin: e.Origin})
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

// textOf returns the value of an entry; a flag is true or false however it was written.
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
