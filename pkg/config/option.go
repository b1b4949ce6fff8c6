package config

import (
	"slices"
	"strings"
)

// How to add an option. Put a row into the `options_<area>.go` of its area, or
// make a new area: a function that returns a slice of rows, named in
// emperorOptions or vassalOptions (tables.go), and a document line in the
// struct it sets. Rows of one area are sorted by group, then name; groups stand
// in the order of `groups`. Give it uWSGI's name and meaning where uWSGI has one.
// Say nothing about change and tyrant unless you are sure: the zero values are
// the safe ones. Everything else follows from the row: the ini reader, the
// command line, --help, strict mode, completions, man pages, docs/options.md
// (`make docs`). A test asks for a line of testdata or examples that uses it.

// option is a row of a program's table.
type option[T any] struct {
	// name and aliases are what may be written; both are uWSGI's where it has them.
	name    string
	aliases []string
	// group is the heading in the help, one of groups.
	group string
	// arg is what the value is, such as TIME, for the help. Empty: a flag, which
	// needs no value and is off for false, off, no and 0. In brackets, as [TIME]: it
	// may be left out, and the setter gets "".
	arg string
	// def is the default as the help shows it. Empty: nothing, or off.
	def string
	// help is one line, lower case, no full stop.
	help string
	// since is the release that first knew the option. Empty: the first one.
	since string
	// repeat: each one adds to those before. Otherwise the last one counts.
	repeat bool
	// guard: security-relevant; two different values in one file are a mistake.
	guard bool
	// change is what it takes for a new value to count.
	change Change
	// tyrant: may stand in a file that its tenant owns. Otherwise it is refused there.
	tyrant bool
	// set checks the value and puts it into the struct. Everything that can be
	// wrong with the text alone is found here and never replaced by a default.
	// An error made as hinted{what, hint} gets its hint printed.
	set func(*T, value) error
}

// Change says what it takes for a changed option to count.
type Change int

const (
	// Respawn needs a new process, in new namespaces where it has some. Options
	// that say nothing else are of this class.
	Respawn Change = iota
	// Reload is taken over by the running vassal: it keeps its pid, its
	// namespaces and its sockets, and starts new workers.
	Reload
)

// String prints the class as the documents do.
func (c Change) String() string {
	if c == Reload {
		return "reload"
	}
	return "respawn"
}

// groups are the headings of the help, in its order.
var groups = []string{
	"Monitors", "Vassals", "Templates", "Boot", "Namespaces", "Network", "Privileges", "Hooks",
	"Sockets", "Serving", "Workers", "Terminal", "Static files", "Routing", "Logging", "Control", "Process", "Other",
}

// shape says whether the option has a value.
func (o *option[T]) shape() shape {
	switch {
	case o.arg == "":
		return flag
	case o.arg[0] == '[' && o.arg[len(o.arg)-1] == ']':
		return optional
	}
	return needs
}

// value is an option's text as the setter gets it.
type value struct {
	text   string
	origin Origin
}

// table is all a program understands.
type table[T any] []option[T]

// groups lists the headings that have rows, in the order of the help.
func (t table[T]) groups() []string {
	var list []string
	for _, g := range groups {
		if slices.ContainsFunc(t, func(o option[T]) bool { return o.group == g }) {
			list = append(list, g)
		}
	}
	return list
}

// group returns the rows under one heading of the help, sorted by name.
func (t table[T]) group(name string) table[T] {
	var rows table[T]
	for _, o := range t {
		if o.group == name {
			rows = append(rows, o)
		}
	}
	slices.SortFunc(rows, func(a, b option[T]) int { return strings.Compare(a.name, b.name) })
	return rows
}

// names are all that may be written.
func (t table[T]) names(yield func(string) bool) {
	for i := range t {
		if !yield(t[i].name) {
			return
		}
		for _, name := range t[i].aliases {
			if !yield(name) {
				return
			}
		}
	}
}

// everyName adds those of uWSGI that are no options here.
func (t table[T]) everyName(yield func(string) bool) {
	for name := range t.names {
		if !yield(name) {
			return
		}
	}
	uwsgiNames(yield)
}

func (t table[T]) find(key string) *option[T] {
	for i := range t {
		if t[i].name == key || slices.Contains(t[i].aliases, key) {
			return &t[i]
		}
	}
	return nil
}

// hinted is an error that says what to do about it.
type hinted struct{ what, hint string }

func (h hinted) Error() string { return h.what }
