package dialect

import (
	"slices"

	"github.com/emperor-go/emperor/internal/problem"
)

// Variable is an environment variable that a configuration names by $(NAME) or if-env.
type Variable struct {
	Name string
	// Origin and Key of the first option that names it.
	Origin problem.Origin
	Key    string
}

// asks records that an environment variable was looked up.
func (r *Reader) asks(name string) {
	if !slices.ContainsFunc(r.reads, func(v Variable) bool { return v.Name == name }) {
		r.reads = append(r.reads, Variable{Name: name, Origin: r.at, Key: r.key})
	}
}
