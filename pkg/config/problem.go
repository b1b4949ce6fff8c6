package config

import (
	"cmp"
	"slices"
	"strings"
)

// Problem is one mistake, or one thing worth a warning.
type Problem struct {
	// Origin is where it is.
	Origin Origin
	// Key is the option it is about. Empty: the file as a whole.
	Key string
	// What is wrong, and what to do about it. The hint is optional.
	What, Hint string
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

// Problems are all mistakes of one run, sorted by place.
type Problems []Problem

// Error prints one problem a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// err returns ps sorted as an error, each once (a loop repeats what is wrong in
// it), or nil when there are none.
func (ps Problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	slices.SortStableFunc(ps, ByPlace)
	return slices.Compact(ps)
}

// ByPlace sorts by file and line.
func ByPlace(a, b Problem) int {
	return cmp.Or(strings.Compare(a.Origin.File, b.Origin.File), cmp.Compare(a.Origin.Line, b.Origin.Line))
}

func (ps *Problems) add(o Origin, key, what, hint string) {
	*ps = append(*ps, Problem{o, key, what, hint})
}
