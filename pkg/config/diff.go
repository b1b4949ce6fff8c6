package config

import (
	"slices"
	"strings"
)

// Difference is an option that two configurations do not have in common.
type Difference struct {
	Option string
	// Change is what it takes for the new value to count.
	Change Change
	// Old and New are the values. Empty: not given, the default counts.
	Old, New []string
}

// Diff compares the options that count, so that comments, spaces, placeholders,
// aliases and the place of a line make no difference, but the order among
// repeated options of one group does. The result is sorted by name. Empty means
// that both mean the same.
func Diff(before, after *Vassal) []Difference {
	return vassalOptions().diff(before.entries, after.entries)
}

func (t table[T]) diff(before, after []entry) []Difference {
	was, is := t.settings(before, false), t.settings(after, false)
	var list []Difference
	for i := range t {
		o := &t[i]
		d := Difference{Option: o.name, Change: o.change, Old: valuesOf(was, o.name), New: valuesOf(is, o.name)}
		if !slices.Equal(d.Old, d.New) || o.repeat && len(d.Old) > 0 && t.moved(o, was, is) {
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(a, b Difference) int { return strings.Compare(a.Option, b.Option) })
	return list
}

// moved reports whether lines of o stand elsewhere than before among those of
// another option that itself stayed: hooks of a phase run, sockets are bound and
// routes are tried in the order of the file.
func (t table[T]) moved(o *option[T], was, is []Setting) bool {
	for i := range t {
		other := &t[i]
		if other.repeat && other.name != o.name && other.group == o.group && related(o.name, other.name) &&
			slices.Equal(valuesOf(was, other.name), valuesOf(is, other.name)) &&
			!slices.Equal(order(was, o.name, other.name), order(is, o.name, other.name)) {
			return true
		}
	}
	return false
}

// related reports whether the order between two options of a group matters at all:
// each phase has its hooks for itself.
func related(a, b string) bool {
	one, hook := hookPhase(a)
	two, _ := hookPhase(b)
	return !hook || one == two
}

// order lists the names of two options as they stand.
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
