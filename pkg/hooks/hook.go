package hooks

import (
	"context"
	"fmt"
	"strings"
)

// Kind is the first word of a hook's option name and decides how its text is
// read.
type Kind string

// Exec runs the text as a shell command line.
const Exec Kind = "exec"

// Kinds lists every kind in the order in which uWSGI runs them within a phase.
func Kinds() []Kind { return []Kind{Exec} }

// Spec is a hook as it stands in a file, before it is parsed.
type Spec struct {
	Phase Phase
	Kind  Kind
	Text  string
	// Origin is the file:line it was read from, for messages. Optional.
	Origin string
}

// Option is the name of the option that carries such a hook.
func (s Spec) Option() string { return string(s.Kind) + "-" + string(s.Phase) }

// Hook is a parsed hook: it can be run, and running it again does the same.
type Hook struct {
	spec   Spec
	action action
}

// action is what a kind does. run blocks until it is done or ctx is; output
// gets each line that it prints.
type action interface {
	run(ctx context.Context, env Environment, output func(line string)) error
}

// Spec returns what the hook was parsed from.
func (h Hook) Spec() Spec { return h.spec }

// Parse checks s and makes it a Hook. Everything that can be wrong with the text
// is found here, not in the middle of a boot.
func Parse(s Spec) (Hook, error) {
	if _, ok := s.Phase.Info(); !ok {
		return Hook{}, fmt.Errorf("unknown phase %q", s.Phase)
	}
	if strings.TrimSpace(s.Text) == "" {
		return Hook{}, fmt.Errorf("%s needs a command", s.Option())
	}
	if strings.ContainsRune(s.Text, 0) {
		return Hook{}, fmt.Errorf("%s holds a NUL byte", s.Option())
	}
	switch s.Kind {
	case Exec:
		return Hook{spec: s, action: shell(s.Text)}, nil
	default:
		return Hook{}, fmt.Errorf("unknown kind of hook %q", s.Kind)
	}
}

// Set holds the hooks of a program by phase, each list in the order of the file.
type Set map[Phase][]Hook

// Add appends h to the list of its phase.
func (s Set) Add(h Hook) { s[h.spec.Phase] = append(s[h.spec.Phase], h) }
