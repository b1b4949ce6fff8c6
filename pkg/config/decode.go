package config

import (
	"errors"
	"fmt"
)

// decode puts the entries into into, in order, and reports every mistake. used
// are the keys that other values refer to.
func (t table[T]) decode(entries []entry, used []string, into *T) (warnings, problems Problems) {
	first := map[string]entry{}
	unknown := strangers{strict: strict(entries), used: used, names: t.everyName}
	for _, e := range entries {
		if e.own {
			continue
		}
		o := t.find(e.key)
		if o == nil {
			unknown.meet(e, &warnings, &problems)
			continue
		}
		if e.tenant && !o.tyrant {
			problems.add(e.origin, e.key, "a tenant's own file may not say this", "the operator may, in a template")
			continue
		}
		before, again := first[o.name]
		if again && o.guard && before.value != e.value && before.origin.File == e.origin.File {
			problems.add(e.origin, e.key, fmt.Sprintf("given twice: %q here, %q on line %d", e.value, before.value, before.origin.Line), "keep one")
			continue
		}
		if !again {
			first[o.name] = e
		}
		if err := o.set(into, value{e.value, e.origin}); err != nil {
			problems.add(e.origin, e.key, err.Error(), hint(err))
		}
	}
	unknown.report(&warnings)
	return warnings, problems
}

// strict reports whether unknown options are mistakes. It counts for the whole
// configuration, wherever it stands.
func strict(entries []entry) bool {
	on := false
	for _, e := range entries {
		if e.key == "strict" {
			on = parseBool(e.value)
		}
	}
	return on
}

// hint is what an error says to do about it.
func hint(err error) string {
	var h hinted
	if errors.As(err, &h) {
		return h.hint
	}
	return ""
}
