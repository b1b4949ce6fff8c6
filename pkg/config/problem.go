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

	// meant are the options that the place was perhaps meant for, between blanks, or
	// anyOption: one that is missed elsewhere is missing because of it.
	meant string
	// follows: something is missing in the whole file. Mistakes that stand in a line of it
	// may be why, and come first.
	follows bool
}

// anyOption stands for all options in Problem.meant.
const anyOption = " * "

// explains reports whether an option that begins so is missing because of the problem.
func (p Problem) explains(beginnings []string) bool {
	return p.meant == anyOption || p.meant != "" && slices.ContainsFunc(beginnings, func(b string) bool { return strings.Contains(p.meant, " "+b) })
}

// because makes mistakes of those warnings that say why something is missing, and
// reports whether there are any.
func (ps *Problems) because(warnings *Problems, missing string, beginnings []string) (found bool) {
	*warnings = slices.DeleteFunc(*warnings, func(w Problem) bool {
		if !w.explains(beginnings) {
			return false
		}
		if w.Key != "" {
			w.What, w.Hint = "an unknown key, and "+missing, meantHint(strings.Fields(w.meant))
		}
		*ps = append(*ps, w)
		found = true
		return true
	})
	return found
}

// meantHint asks whether one of some options was meant.
func meantHint(near []string) string { return "did you mean " + strings.Join(near, " or ") + "?" }

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

// ByPlace sorts by file, and in a file by line; what may follow from that comes last.
func ByPlace(a, b Problem) int {
	return cmp.Or(strings.Compare(a.Origin.File, b.Origin.File), compareBool(a.follows, b.follows), cmp.Compare(a.Origin.Line, b.Origin.Line))
}

// compareBool puts false before true.
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
