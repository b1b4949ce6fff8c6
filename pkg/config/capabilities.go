package config

import (
	"fmt"
	"strings"

	"github.com/emperor-go/emperor/internal/suggest"
	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Capabilities are a list of capabilities. The zero value means that none was given.
type Capabilities struct {
	// Set is true when one was given.
	Set bool
	// List are the given ones, which can be none.
	List namespaces.Capabilities
}

// Keeps returns the capabilities that a vassal keeps when it drops its privileges. Nil: all, or a hook or a program of its own
// has more before.
func Keeps(v *Vassal) *namespaces.Capabilities {
	if v.partial || v.unread || len(v.RootPatch) > 0 {
		return nil
	}
	for phase := range v.Hooks {
		if info, ok := phase.Info(); !ok || !info.AsUser() {
			return nil
		}
	}
	return v.Capabilities.Given()
}

// Given returns the list, or nil when none was given.
func (c Capabilities) Given() *namespaces.Capabilities {
	if !c.Set {
		return nil
	}
	return &c.List
}

// noCapability is the word for an empty list.
const noCapability = "none"

// Holds reports whether the programs of a vassal have a capability: all of root without a list, or the listed ones.
func (v *Vassal) Holds(capability string) bool {
	one, known := namespaces.ParseCapability(capability)
	if v.Capabilities.Set {
		return known && v.Capabilities.List&one == one
	}
	return !v.UID.Set || v.UID.String() == "root" || v.UID.String() == "0"
}

// Parse implements option.Field. As in uWSGI, names and numbers are separated by commas.
func (c *Capabilities) Parse(text string) error {
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
	if len(words) == 0 {
		return option.Wrong("no capability given", "such as net_bind_service, or none")
	}
	var list namespaces.Capabilities
	for _, word := range words {
		if word == noCapability && len(words) == 1 {
			break
		}
		one, known := namespaces.ParseCapability(word)
		if !known {
			return unknownCapability(word)
		}
		list |= one
	}
	*c = Capabilities{true, list}
	return nil
}

func unknownCapability(word string) error {
	name := strings.TrimPrefix(strings.ToLower(word), "cap_")
	hint := "a name of capabilities(7), such as net_bind_service, or none"
	if near := suggest.Near(name, namespaces.CapabilityNames); near != nil {
		hint = suggest.Question("", near...)
	}
	return option.Wrong(fmt.Sprintf("unknown capability %q", word), hint)
}

// Exceeding is the problem of a vassal that keeps a capability which its emperor does not allow.
// Nil: all are allowed. ok is false when there is none.
func (v *Vassal) Exceeding(allowed *namespaces.Capabilities) (p Problem, ok bool) {
	if allowed == nil || v.Capabilities.List&^*allowed == 0 {
		return p, false
	}
	var names []string
	for name := range strings.SplitSeq((v.Capabilities.List &^ *allowed).String(), ",") {
		names = append(names, fmt.Sprintf("%q", name))
	}
	verb := "is"
	if len(names) > 1 {
		verb = "are"
	}
	origin := v.Origin("cap")
	return Problem{
		Origin: origin, Key: "cap", What: strings.Join(names, ", ") + " " + verb + " not among emperor-cap",
		Hint: "emperor-cap = " + (*allowed | v.Capabilities.List).String() + " in the emperor's file",
	}, true
}
