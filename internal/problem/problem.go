// Package problem defines mistakes and warnings about a configuration: a Problem has a position,
// a Mistake has none yet.
package problem

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Origin is the position of a line.
type Origin struct {
	File string
	Line int
}

// String prints file:line.
func (o Origin) String() string {
	if o.File == "" {
		return "command line"
	}
	if o.Line == 0 {
		return o.File
	}
	return o.File + ":" + strconv.Itoa(o.Line)
}

// Mistake is an error in a text of a user, without its position. The hint is the remedy; it is
// optional.
type Mistake struct{ What, Hint string }

// Error prints `what (hint)`.
func (m Mistake) Error() string {
	if m.Hint == "" {
		return m.What
	}
	return m.What + " (" + m.Hint + ")"
}

// Wrong returns a Mistake. An empty hint adds nothing.
func Wrong(what, hint string) error { return Mistake{what, hint} }

// Of returns the mistake in an error, a Mistake or a *Problem. For any other error its text is
// the mistake.
func Of(err error) Mistake {
	if p, ok := errors.AsType[*Problem](err); ok {
		return Mistake{p.What, p.Hint}
	}
	if m, ok := errors.AsType[Mistake](err); ok {
		return m
	}
	return Mistake{What: err.Error()}
}

// Problem is one mistake or one warning.
type Problem struct {
	// Origin is its position.
	Origin Origin
	// Key is its option. Empty: the file as a whole.
	Key string
	// What describes the problem, and Hint the remedy. The hint is optional.
	What, Hint string

	// Meant are the options that the line was perhaps meant for, between blanks, or Any: an
	// option that is missing elsewhere is missing because of it.
	Meant string
	// Follows: an option is missing in the whole file. Mistakes in a line may be the cause,
	// and come first.
	Follows bool
}

// Any is all options in Problem.Meant.
const Any = " * "

// Explains reports whether an option with one of the prefixes is missing because of the
// problem.
func (p Problem) Explains(beginnings []string) bool {
	return p.Meant == Any || p.Meant != "" && slices.ContainsFunc(beginnings, func(b string) bool { return strings.Contains(p.Meant, " "+b) })
}

// Error prints `file:line: key: what (hint)`.
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Origin.String() + ": ")
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.What)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return b.String()
}

// Problems are all mistakes of one run, sorted by position.
type Problems []Problem

// Error prints one problem a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Err returns ps as a sorted error without repetitions (a loop repeats its mistakes), or nil
// when it is empty.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	slices.SortStableFunc(ps, ByPlace)
	return slices.Compact(ps)
}

// Add appends a problem.
func (ps *Problems) Add(o Origin, key, what, hint string) {
	*ps = append(*ps, Problem{Origin: o, Key: key, What: what, Hint: hint})
}

// ByPlace sorts by file, and in a file by line; consequences come last.
func ByPlace(a, b Problem) int {
	return cmp.Or(strings.Compare(a.Origin.File, b.Origin.File), compareBool(a.Follows, b.Follows), cmp.Compare(a.Origin.Line, b.Origin.Line))
}

// compareBool sorts false before true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
