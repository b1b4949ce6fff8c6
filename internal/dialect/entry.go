package dialect

import (
	"strings"

	"github.com/emperor-go/emperor/internal/problem"
)

// Entry is one option as it was written, in the order in which options count.
type Entry struct {
	Key, Value string
	Origin     problem.Origin
	// Bare is true for an option without a value, as by --master on a command line. The value
	// is empty then and means yes.
	Bare bool
	// Handled is true when the reader has carried out the option completely, such as an include
	// or a placeholder. No table of options needs it.
	Handled bool
	// Skipped is true when it is Handled only because a partial reading has no value for it.
	Skipped bool
	// Tenant is true when it stands in a file that its tenant owns.
	Tenant bool
	// Permitted is true when the operator permits the option in such a file by name.
	Permitted bool
	// Shared is true when it is given to several vassals: by a template, vassal-set or the
	// environment.
	Shared bool
	// Listed is true when it is one of the values of a list, in a format with lists.
	Listed bool

	// final is true when no pass may expand the value: uWSGI acts on such an option while it
	// reads (its "immediate" options).
	final bool
	// asked is true when a value or a condition has looked its key up.
	asked bool
	// names are the parts of the value that magic variables took from names of files, if these
	// are not plain words.
	names pieces
	// twice is true when a placeholder in such a name was expanded as well.
	twice bool
}

// Misread reports a name of a file in the value that its reader misinterprets, by misreads. Nil:
// its reader takes any name as it is.
func (e Entry) Misread(misreads func(text, name string) bool) (p problem.Problem, found bool) {
	if len(e.names) == 0 {
		return p, false
	}
	if misreads != nil {
		if name, found := e.names.find(func(p piece) bool { return misreads(e.Value, p.text) }); found {
			return e.mistaken(name), true
		}
	}
	if e.twice {
		return problem.Problem{Origin: e.Origin, Key: e.Key, What: e.names[0].String() + ", which contains a placeholder", Hint: "rename the file"}, true
	}
	return p, false
}

// mistaken returns the mistake of a name that a shell would misinterpret.
func (e Entry) mistaken(p piece) problem.Problem {
	hint := `use "$UWSGI_VASSAL_NAME", or rename the file`
	if p.variable == '_' {
		hint = "rename the file"
	}
	return problem.Problem{Origin: e.Origin, Key: e.Key, What: p.String() + ", which a shell may take for more than a name", Hint: hint}
}

// open reports whether a reference in the value was not replaced yet.
func (e Entry) open() bool {
	return strings.Contains(e.Value, "$(") || strings.Contains(e.Value, "@(") || strings.Contains(e.Value, "%(")
}
