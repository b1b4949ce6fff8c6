package dialect

import (
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/problem"
	"github.com/emperor-go/emperor/internal/words"
)

// Variable is an environment variable that a configuration names by $(NAME) or if-env.
type Variable struct {
	Name string
	// Origin and Key of the first option that names it.
	Origin problem.Origin
	Key    string
}

// environment has the variables for $(NAME) and if-env.
type environment struct {
	process  []string         // of the permissions
	secrets  []string         // of the permissions, for the operator's text
	environ  map[string]Entry // set by ienv; these come first
	reads    []Variable       // looked up
	position *position        // of the look-ups
}

// getenv returns an environment variable.
func (e *environment) getenv(name string) (string, bool) {
	if own, ok := e.environ[name]; ok {
		e.position.names = e.position.names.with(own.names)
		return own.Value, true
	}
	e.asks(name)
	v, ok := valueIn(e.process, name)
	if !ok && !e.position.tenant {
		v, ok = valueIn(e.secrets, name)
	}
	return v, ok
}

func valueIn(variables []string, name string) (string, bool) {
	for _, variable := range variables {
		if k, v, ok := strings.Cut(variable, "="); ok && k == name {
			return v, true
		}
	}
	return "", false
}

// setenv acts on ienv.
func (e *environment) setenv(text string) {
	if key, value, ok := strings.Cut(text, "="); ok {
		if e.environ == nil {
			e.environ = map[string]Entry{}
		}
		e.environ[key] = Entry{Value: value, names: e.position.names}
	}
}

// getenvOr expands $(…). In addition to the plain name it accepts uWSGI 2.1's NAME-default,
// for a variable that is not set, and NAME:-default, for one that is not set or empty. As in
// uWSGI, the default ends at its next `-`, and in the second form at its next `:`.
func (e *environment) getenvOr(name string) (string, bool) {
	dash := strings.IndexByte(name, '-')
	if dash < 0 {
		return e.getenv(name)
	}
	name, other, ends := name[:dash], name[dash+1:], "-"
	empty := strings.HasSuffix(name, ":")
	if empty {
		name, ends = strings.TrimSuffix(name, ":"), ":-"
	}
	if !words.IsName(name) { // a shell's $(id -u), which 2.0 leaves to the shell
		return "", false
	}
	if v, ok := e.getenv(name); ok && (v != "" || !empty) {
		return v, true
	}
	other = strings.TrimLeft(other, ends)
	if end := strings.IndexAny(other, ends); end >= 0 {
		other = other[:end]
	}
	return other, true
}

// asks records that an environment variable was looked up.
func (e *environment) asks(name string) {
	if !slices.ContainsFunc(e.reads, func(v Variable) bool { return v.Name == name }) {
		e.reads = append(e.reads, Variable{Name: name, Origin: e.position.at, Key: e.position.key})
	}
}
