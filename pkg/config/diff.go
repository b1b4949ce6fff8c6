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

// moved reports whether lines of o stand elsewhere among the repeated options of
// its group than before: hooks run and sockets are bound in the order of the file.
func (t table[T]) moved(o *option[T], was, is []Setting) bool {
	return !slices.Equal(t.order(o, was), t.order(o, is))
}

// order lists the repeated options of o's group as they stand, from the first of
// o to the last. What only o's neighbours changed is theirs to report.
func (t table[T]) order(o *option[T], list []Setting) []string {
	var names []string
	for _, s := range list {
		if row := t.find(s.Name); row.repeat && row.group == o.group {
			names = append(names, s.Name)
		}
	}
	first, last := slices.Index(names, o.name), len(names)-1
	if first < 0 {
		return nil
	}
	for names[last] != o.name {
		last--
	}
	return names[first : last+1]
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
