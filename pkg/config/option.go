package config

import (
	"iter"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/problem"
	"github.com/emperor-go/emperor/internal/suggest"
	"github.com/emperor-go/emperor/internal/uwsginames"
	"github.com/emperor-go/emperor/pkg/config/option"
)

// Problem is one mistake or one warning.
type Problem = problem.Problem

// Problems has all mistakes of one run, as an error.
type Problems = problem.Problems

// Origin is the position of a line.
type Origin = problem.Origin

// ByPlace sorts by file, and in a file by line.
func ByPlace(a, b Problem) int { return problem.ByPlace(a, b) }

// Change is the class of a change.
type Change = option.Change

// The classes of change.
const (
	// Respawn needs a new process, in new namespaces if the vassal has namespaces.
	Respawn = option.Respawn
	// Reload is applied by the running vassal. It keeps its pid, its namespaces and its sockets,
	// and starts new workers.
	Reload = option.Reload
	// Live is applied by the emperor alone, without the process of the vassal.
	Live = option.Live
)

// groups are the headings of the help, in order.
var groups = []string{
	"Monitors", "Vassals", "Templates", "Boot", "Namespaces", "Network", "Privileges", "Files", "Limits", "Hooks",
	"Sockets", "Serving", "Workers", "Terminal", "Static files", "Routing", "Logging", "Control", "Process", "Other",
}

// shapeOf returns the shape of an option: with a value, without, or both.
func shapeOf[T any](o *option.Row[T]) uwsginames.Shape {
	switch {
	case o.Arg == "":
		return uwsginames.Flag
	case o.NeedsValue():
		return uwsginames.NeedsValue
	}
	return uwsginames.OptionalValue
}

// table has all options of a program.
type table[T any] []option.Area[T]

// all yields every row.
func (t table[T]) all(yield func(*option.Row[T]) bool) {
	for _, area := range t {
		for o := range area.All {
			if !yield(o) {
				return
			}
		}
	}
}

// find returns the row with a name or alias, or nil.
func (t table[T]) find(key string) *option.Row[T] {
	for _, area := range t {
		if o := area.Find(key); o != nil {
			return o
		}
	}
	if name, ok := strings.CutPrefix(key, t.program()); ok && ours(name) {
		return t.find(name)
	}
	return nil
}

// program returns the prefix that may be added to the name of an option that uWSGI does not have.
// A file that uses such a name as a placeholder can use the option with the prefix.
func (t table[T]) program() string {
	if _, emperors := any((*T)(nil)).(*Emperor); emperors {
		return "emperor-"
	}
	return "vassal-"
}

// ours reports whether a name is not an option of uWSGI.
func ours(name string) bool {
	_, known := uwsginames.Lookup(name)
	return !known
}

// groups returns the headings that have rows, in the order of the help.
func (t table[T]) groups() []string {
	var list []string
	for _, g := range groups {
		if len(t.group(g)) > 0 {
			list = append(list, g)
		}
	}
	return list
}

// group returns the rows under one heading of the help, sorted by name.
func (t table[T]) group(name string) []*option.Row[T] {
	return t.sorted(func(o *option.Row[T]) bool { return o.Group == name })
}

// sorted returns the rows to keep, or for nil all rows, sorted by name.
func (t table[T]) sorted(keep func(*option.Row[T]) bool) (rows []*option.Row[T]) {
	for o := range t.all {
		if keep == nil || keep(o) {
			at, _ := slices.BinarySearchFunc(rows, o.Name, func(o *option.Row[T], name string) int { return strings.Compare(o.Name, name) })
			rows = slices.Insert(rows, at, o)
		}
	}
	return rows
}

// names yields all names and aliases.
func (t table[T]) names(yield func(string) bool) {
	for _, area := range t {
		for name := range area.Names {
			if !yield(name) {
				return
			}
		}
	}
}

// near yields all names, and the names of uWSGI's options whose length is close to a word's.
func (t table[T]) near(word string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for name := range t.names {
			if !yield(name) {
				return
			}
		}
		limit := suggest.Limit(word)
		uwsginames.Between(len(word)-limit, len(word)+limit)(yield)
	}
}

func nonempty(s, what string) error {
	if s == "" {
		return option.Wrong(what, "")
	}
	return nil
}
