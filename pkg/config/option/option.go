// Package option defines the rows of option tables. A row has the name of an option, its meaning,
// and the field for its value. Areas of rows form the table of a program. Tables are data without
// initialization code, so they cost a process nothing before the first look-up.
package option

import (
	"errors"
	"slices"
	"sync"

	"github.com/emperor-go/emperor/internal/problem"
)

// How to add an option. Add a row to the `options_<area>.go` of its area, or add a new area: a
// variable of rows, named in emperorOptions or vassalOptions (tables.go), and a document line
// in the struct it sets. Rows of the built-in server are in pkg/config/serving. Rows of one
// area are sorted by group, then name; groups have the order of `groups`. Use uWSGI's name and
// meaning if uWSGI has the option. Set Change and Tyrant only if you are sure: the zero values
// are the safe ones. Everything else follows from the row: the ini reader, the command line,
// --help, strict mode, completions, man pages, docs/options.md (`make docs`). A test requires
// a line of testdata or examples that uses it.

// Row is an option of a program whose options set a T. Its functions are declared functions: a
// closure would be allocated at the start of the program.
type Row[T any] struct {
	// Name and Aliases are the accepted names: uWSGI's, if uWSGI has the option.
	Name    string
	Aliases []string
	// Group is the heading in the help.
	Group string
	// Arg is the syntax of the value, such as TIME, for the help. Empty: a flag, which needs no
	// value and is off for false, off, no and 0. In brackets, as in [TIME], the value may be left
	// out and is then "".
	Arg string
	// Def is the default in the form of the help. Empty: none, or off.
	Def string
	// Help is one line, lower case, no full stop.
	Help string
	// Since is the first release with the option. Empty: the first release.
	Since string
	// Repeat: each line adds to the earlier ones. Otherwise the last one applies.
	Repeat bool
	// Guard: the option is security-relevant; two different values in one file are an error.
	Guard bool
	// Once: two different values in one file are an error.
	Once bool
	// Change is the class of a change of the value.
	Change Change
	// Tyrant: a tenant's own file may contain the option. Otherwise that is an error.
	Tyrant bool
	// Early: the emperor acts on the option before the clone, also on one in a tenant's file.
	Early bool
	// Secret: the value is KEY=VALUE, and only the operator may read the text behind the sign.
	Secret bool
	// Misreads reports whether a shell, or the splitting of the value into words, may
	// misinterpret a file name in the value that is not a plain word. Nil: never.
	Misreads func(text, name string) bool
	// Into returns the field for the value.
	Into func(*T) Field
	// Set replaces Into for other values. It checks the value and stores it in the struct. It
	// detects every mistake that the text alone shows, and never replaces a value by a default.
	// If the error is a Mistake, its hint is printed.
	Set func(*T, Value) error
}

// Value is the text of an option as it was written, and its position.
type Value struct {
	Text   string
	Origin problem.Origin
	// Tenant is true in a file that its tenant owns.
	Tenant bool
	// Expression returns an error for a text that is no regular expression of package regexp. Nil: the server
	// that compiles it checks it.
	Expression func(text string) error
}

// CheckExpression checks a regular expression in the value.
func (v Value) CheckExpression(text string) error {
	if v.Expression == nil {
		return nil
	}
	return v.Expression(text)
}

// Put checks a value and stores it in the struct.
func (r *Row[T]) Put(t *T, v Value) error {
	if r.Set != nil {
		return r.Set(t, v)
	}
	return r.Into(t).Parse(v.Text)
}

// Is reports whether a text is the option's name or an alias.
func (r *Row[T]) Is(name string) bool { return r.Name == name || slices.Contains(r.Aliases, name) }

// NeedsValue reports whether the option needs a value.
func (r *Row[T]) NeedsValue() bool {
	return r.Arg != "" && (r.Arg[0] != '[' || r.Arg[len(r.Arg)-1] != ']')
}

// Hint returns the remedy for an error of Put. Without a remedy in the error it returns the
// syntax of the option.
func (r *Row[T]) Hint(err error) string {
	m, ok := errors.AsType[problem.Mistake](err)
	if !ok || m.Hint != "" || r.Arg == "" {
		return m.Hint
	}
	return r.Name + " = " + r.Arg
}

// Change is the class of a change of an option.
type Change int

const (
	// Respawn needs a new process, in new namespaces if the vassal has namespaces. It is the
	// default.
	Respawn Change = iota
	// Reload is applied by the running vassal. It keeps its pid, its namespaces and its sockets,
	// and starts new workers.
	Reload
	// Live is applied by the emperor alone, without the process of the vassal.
	Live
)

// String returns the name of the class in the documents.
func (c Change) String() string {
	switch c {
	case Reload:
		return "reload"
	case Live:
		return "live"
	default:
		return "respawn"
	}
}

// Area is a part of a program's table. Callers must not modify its rows.
type Area[T any] interface {
	// Find returns the row with a name or alias, or nil.
	Find(name string) *Row[T]
	// All yields each row.
	All(yield func(*Row[T]) bool)
	// Names yields all names and aliases without making rows.
	Names(yield func(string) bool)
}

// Rows are an area whose rows are static data.
type Rows[T any] []Row[T]

// Find implements Area.
func (rows *Rows[T]) Find(name string) *Row[T] {
	for i := range *rows {
		if r := &(*rows)[i]; r.Is(name) {
			return r
		}
	}
	return nil
}

// All implements Area.
func (rows *Rows[T]) All(yield func(*Row[T]) bool) {
	for i := range *rows {
		if !yield(&(*rows)[i]) {
			return
		}
	}
}

// Names implements Area.
func (rows *Rows[T]) Names(yield func(string) bool) {
	for r := range rows.All {
		if !yield(r.Name) {
			return
		}
		for _, name := range r.Aliases {
			if !yield(name) {
				return
			}
		}
	}
}

// Made caches rows that are made on demand, by name. The zero value is empty and ready to use;
// methods may be called concurrently.
type Made[T any] struct{ rows sync.Map }

// Row returns the row with a name. The first call for a name makes it.
func (m *Made[T]) Row(name string, make func() *Row[T]) *Row[T] {
	if r, ok := m.rows.Load(name); ok {
		return r.(*Row[T])
	}
	r, _ := m.rows.LoadOrStore(name, make())
	return r.(*Row[T])
}

// Part is an area whose rows set a part of the struct. Both programs may contain the part.
type Part[T, P any] struct {
	Rows *Rows[P]
	// Put stores the value of a row in the part of a T.
	Put func(*T, *Row[P], Value) error
	// Change applies to all rows of the part, and Tyrant too; without it the rows decide.
	Change Change
	Tyrant bool

	made Made[T]
}

// Find implements Area.
func (p *Part[T, P]) Find(name string) *Row[T] {
	if r := p.Rows.Find(name); r != nil {
		return p.lift(r)
	}
	return nil
}

// All implements Area.
func (p *Part[T, P]) All(yield func(*Row[T]) bool) {
	for r := range p.Rows.All {
		if !yield(p.lift(r)) {
			return
		}
	}
}

// Names implements Area.
func (p *Part[T, P]) Names(yield func(string) bool) { p.Rows.Names(yield) }

// lift returns a row for the whole struct, made from a row for the part.
func (p *Part[T, P]) lift(r *Row[P]) *Row[T] {
	return p.made.Row(r.Name, func() *Row[T] {
		return &Row[T]{
			Name: r.Name, Aliases: r.Aliases, Group: r.Group, Arg: r.Arg, Def: r.Def, Help: r.Help, Since: r.Since,
			Repeat: r.Repeat, Guard: r.Guard, Change: p.Change, Tyrant: p.Tyrant || r.Tyrant, Misreads: r.Misreads,
			Set: func(t *T, v Value) error { return p.Put(t, r, v) },
		}
	})
}
