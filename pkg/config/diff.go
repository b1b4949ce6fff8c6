package config

import (
	"slices"

	"github.com/emperor-go/emperor/internal/dialect"
	"github.com/emperor-go/emperor/pkg/config/option"
)

// Difference is an option with different values in two configurations.
type Difference struct {
	Option string
	// Change is the class of the change.
	Change Change
	// Old and New are the values. Empty: the option is not given, and its default applies.
	Old, New []string
}

// Diff compares effective options. Comments, spaces, placeholders, aliases and the position of a
// line make no difference; the order of repeated options of one group does. The result is sorted
// by name. An empty result means that both configurations are equivalent.
func Diff(before, after *Vassal) []Difference {
	return vassalOptions.diff(before.entries, after.entries)
}

// DiffLimits lists the options about limits with different values.
func DiffLimits(before, after *Vassal) (names []string) {
	for _, d := range Diff(before, after) {
		if cgroupOptions.Find(d.Option) != nil {
			names = append(names, d.Option)
		}
	}
	return names
}

// SameBeyondLimits reports whether two configurations have the same lines, also of keys that only another
// program knows, but for those about limits.
func SameBeyondLimits(before, after *Vassal) bool {
	others := func(v *Vassal) (lines []string) {
		for _, e := range v.entries {
			if cgroupOptions.Find(e.Key) == nil {
				lines = append(lines, e.Key+"="+e.Value)
			}
		}
		return lines
	}
	return slices.Equal(others(before), others(after))
}

// DiffEmperor is Diff for the options of the emperor. A running emperor can apply an option whose
// Change is Reload; any other option needs a restart.
func DiffEmperor(before, after *Emperor) []Difference {
	return emperorOptions.diff(before.entries, after.entries)
}

func (t table[T]) diff(before, after []dialect.Entry) []Difference {
	was, is := t.settings(before, false), t.settings(after, false)
	var list []Difference
	for _, o := range t.sorted(nil) {
		d := Difference{Option: o.Name, Change: o.Change, Old: valuesOf(was, o.Name), New: valuesOf(is, o.Name)}
		if !slices.Equal(d.Old, d.New) || o.Repeat && len(d.Old) > 0 && t.moved(o, was, is) {
			list = append(list, d)
		}
	}
	return list
}

// moved reports whether lines of o have changed their position relative to lines of an unchanged
// option: hooks of a phase run, sockets are bound and routes are tried in the order of the file.
func (t table[T]) moved(o *option.Row[T], was, is []Setting) bool {
	for other := range t.all {
		if other.Repeat && other.Name != o.Name && other.Group == o.Group && related(o.Name, other.Name) &&
			slices.Equal(valuesOf(was, other.Name), valuesOf(is, other.Name)) &&
			!slices.Equal(order(was, o.Name, other.Name), order(is, o.Name, other.Name)) {
			return true
		}
	}
	return false
}

// related reports whether the order of two options of a group matters. Hooks of different phases,
// for example, are independent.
func related(a, b string) bool {
	one, hook := hookPhase(a)
	two, _ := hookPhase(b)
	return !hook || one == two
}

// order returns the names of two options in the order of their lines.
func order(list []Setting, a, b string) []string {
	var names []string
	for _, s := range list {
		if s.Name == a || s.Name == b {
			names = append(names, s.Name)
		}
	}
	return names
}

func valuesOf(list []Setting, name string) []string {
	var values []string
	for _, s := range list {
		if s.Name == name {
			values = append(values, s.Value)
		}
	}
	return values
}
