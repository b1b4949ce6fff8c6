package config

import (
	"strings"

	"github.com/emperor-go/emperor/internal/uwsginames"
	"github.com/emperor-go/emperor/pkg/config/serving"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// Shape is whether an option has a value.
type Shape = uwsginames.Shape

// The shapes of options: yes, no or nothing as the value, a value, or a value that may be missing.
const (
	Flag          = uwsginames.Flag
	NeedsValue    = uwsginames.NeedsValue
	OptionalValue = uwsginames.OptionalValue
)

// Described is an option with the fields that the help and the documents print.
type Described struct {
	Name, Arg, Def, Help, Since string
	Aliases                     []string
	Repeat, Guard               bool
	// Tenant: the file of a tenant can contain the option.
	Tenant bool
	Change Change
	Shape  Shape
	// Phase is the phase of an option of hooks. Empty for all other options.
	Phase string
}

// Section is a heading of the help and its options, sorted by name.
type Section struct {
	Heading string
	Options []Described
}

// EmperorOptions returns the options of the emperor, in the order of the help.
func EmperorOptions() []Section { return emperorOptions.describe() }

// VassalOptions returns the options of a vassal.
func VassalOptions() []Section { return vassalOptions.describe() }

// ServerOptions returns the options of the built-in server.
func ServerOptions() []Section { return table[serving.Options]{&serving.Rows}.describe() }

// HasOption reports whether the emperor or a vassal has an option of that name.
func HasOption(name string) bool { return whose(name) != "" }

func (t table[T]) describe() []Section {
	var list []Section
	for _, g := range t.groups() {
		s := Section{Heading: g}
		for _, o := range t.group(g) {
			phase, _ := hookPhase(o.Name)
			s.Options = append(s.Options, Described{o.Name, o.Arg, o.Def, o.Help, o.Since, o.Aliases, o.Repeat, o.Guard, o.Tyrant, o.Change, shapeOf(o), phase})
		}
		list = append(list, s)
	}
	return list
}

// hookPhase returns the phase in the name of a hook's option.
func hookPhase(name string) (phase string, ok bool) {
	_, phase, _ = strings.Cut(name, "-")
	info, ok := hooks.Phase(phase).Info()
	if !ok { // as in call-as-root1
		phase = strings.TrimRight(phase, "0123456789")
		info, ok = hooks.Phase(phase).Info()
	}
	return string(info.Phase), ok
}
