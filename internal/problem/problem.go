package config

import (
	"cmp"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/suggest"
)

// Problem is one mistake or one warning.
type Problem struct {
	// Origin is its position.
	Origin Origin
	// Key is its option. Empty: the file as a whole.
	Key string
	// What describes the problem, and Hint the remedy. The hint is optional.
	What, Hint string

	// meant are the options that the line was perhaps meant for, between blanks, or anyOption:
	// an option that is missing elsewhere is missing because of it.
	meant string
	// follows: an option is missing in the whole file. Mistakes in a line may be the cause,
	// and come first.
	follows bool
}

// anyOption is all options in Problem.meant.
const anyOption = " * "

// explains reports whether an option with one of the prefixes is missing because of the
// problem.
func (p Problem) explains(beginnings []string) bool {
	return p.meant == anyOption || p.meant != "" && slices.ContainsFunc(beginnings, func(b string) bool { return strings.Contains(p.meant, " "+b) })
}

// because turns warnings that explain a missing option into mistakes, and reports whether
// there are any.
func (ps *Problems) because(warnings *Problems, missing string, beginnings []string) (found bool) {
	*warnings = slices.DeleteFunc(*warnings, func(w Problem) bool {
		if !w.explains(beginnings) {
			return false
		}
		if w.Key != "" {
			w.What, w.Hint = "an unknown key, and "+missing, suggest.Question("", strings.Fields(w.meant)...)
		}
		*ps = append(*ps, w)
		found = true
		return true
	})
	return found
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

// err returns ps as a sorted error without repetitions (a loop repeats its mistakes), or nil
// when it is empty.
func (ps Problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	slices.SortStableFunc(ps, ByPlace)
	return slices.Compact(ps)
}

// ByPlace sorts by file, and in a file by line; consequences come last.
func ByPlace(a, b Problem) int {
	return cmp.Or(strings.Compare(a.Origin.File, b.Origin.File), compareBool(a.follows, b.follows), cmp.Compare(a.Origin.Line, b.Origin.Line))
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

func (ps *Problems) add(o Origin, key, what, hint string) {
	*ps = append(*ps, Problem{Origin: o, Key: key, What: what, Hint: hint})
}
