package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/emperor-go/emperor/internal/problem"
	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// allowable returns the specs of the hook options that an operator can permit in the section
// [emperor] of a vassal's file: all hooks of the emperor except hooks of its own start. Callers
// must not change the map.
func allowable() map[string]hooks.Spec {
	allowing.Do(allow)
	return allowableSpecs
}

var (
	allowing       sync.Once
	allowableSpecs map[string]hooks.Spec
)

func allow() {
	allowableSpecs = map[string]hooks.Spec{}
	for _, info := range hooks.Phases() {
		if info.Who != hooks.Emperor || info.Phase == hooks.EmperorStart {
			continue
		}
		for _, kind := range info.Kinds {
			s := hooks.Spec{Phase: info.Phase, Kind: kind}
			allowableSpecs[s.Option()] = s
		}
	}
}

// Allowable returns the options that emperor-allow-attr can permit, sorted.
func Allowable() []string { return slices.Sorted(maps.Keys(allowable())) }

// setAllowed parses a list separated by commas. Its elements are options, or phases, which stand
// for all their options.
func setAllowed(e *Emperor, v option.Value) error {
	specs := allowable()
	for word := range strings.SplitSeq(v.Text, ",") {
		word = strings.TrimSpace(word)
		found := false
		for option, s := range specs {
			if option == word || string(s.Phase) == word {
				e.Allowed, found = append(e.Allowed, option), true
			}
		}
		if !found {
			return option.Wrong(fmt.Sprintf("%q is not a hook of the emperor for a vassal", word), "such as exec-as-emperor, or as-emperor for all kinds")
		}
	}
	return nil
}

// AttributeHooks returns the emperor's hooks in the section [emperor] of a vassal's file, which
// it reads as Attributes does. It leaves out hooks that are not permitted, with a warning; hooks
// in a tenant's file and invalid hooks are errors. The hooks run with the emperor's rights, so
// the caller must check the owner of the file.
func AttributeHooks(src Source, allowed []string) (set hooks.Set, warnings Problems, err error) {
	specs := allowable()
	var problems Problems
	for _, e := range attributes(src) {
		spec, isHook := specs[e.Key]
		switch {
		case !isHook:
			continue
		case !slices.Contains(allowed, e.Key):
			warnings.Add(e.Origin, e.Key, "the operator does not allow this hook here", "emperor-allow-attr = "+e.Key+" among the emperor's options")
			continue
		case src.Tenant:
			problems.Add(e.Origin, e.Key, "not permitted in a tenant's own file", "root must own the file")
			continue
		}
		spec.Text, spec.Origin = e.Value, e.Origin.String()
		h, err := hooks.Parse(spec)
		if err != nil {
			wrong := problem.Of(err)
			problems.Add(e.Origin, e.Key, wrong.What, wrong.Hint)
			continue
		}
		if set == nil {
			set = hooks.Set{}
		}
		set.Add(h)
	}
	return set, warnings, problems.Err()
}
