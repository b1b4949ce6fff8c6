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

// allowable returns the hook options that an operator can permit in the section [emperor] of a
// vassal's file, with their specs: all of the emperor's, except hooks of its own start. The
// map must not be changed.
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

// Allowable lists the options that emperor-allow-attr can permit, sorted.
func Allowable() []string { return slices.Sorted(maps.Keys(allowable())) }

// setAllowed parses options, or phases for all their options, separated by commas.
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

// AttributeHooks returns the emperor's hooks in the section [emperor] of a vassal's file,
// which is read as in Attributes. Hooks that are not permitted are left out with a warning; a
// tenant's hooks, and invalid ones, are errors. They run with the emperor's rights: the caller
// checks the owner of the file.
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
			problems.Add(e.Origin, e.Key, "a tenant's own file may not say this", "root must own the file")
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
