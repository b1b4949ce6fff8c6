package config

import (
	"fmt"
	"strings"
)

// declare makes a key a declared option.
func (r *reader) declare(e entry) {
	key, template, ok := strings.Cut(e.value, "=")
	if !ok {
		r.problem(e.key, fmt.Sprintf("%q declares nothing", e.value), "name=key=$1;key=$2")
		return
	}
	if isOption(key) {
		r.warnings.add(r.at, e.key, fmt.Sprintf("%q is an option already and stays what it is", key), "")
		return
	}
	if r.declared == nil {
		r.declared = map[string]string{}
	}
	r.declared[key] = template
}

// expand acts on a declared option after its declaration. As in uWSGI it acts at once: its
// value is not expanded, options that act while a file is read do so, and all others count
// before everything that is in the list.
func (r *reader) expand(i int, e entry, template string) {
	if r.nested == maxDepth {
		r.limit(e.key, fmt.Sprintf("declared options refer to each other more than %d deep", maxDepth), "does one refer to itself?")
		return
	}
	r.nested++
	defer func() { r.nested-- }()
	for _, part := range expandDeclared(e, template) {
		if r.stopped || r.forbidden(part.key) {
			return
		}
		again, declared := r.declared[part.key]
		switch {
		case declared:
			r.expand(i, part, again)
		case acts(part.key):
			value := r.entries[i].value // which does not concern this
			r.immediate(i, part)
			r.entries[i].value = value
		default:
			r.early = append(r.early, part)
			if r.size += len(part.value); len(r.early) > maxEntries || r.size > MaxFile {
				r.limit(e.key, fmt.Sprintf("a declared option expands to more than %d options, or more than 2 MiB", maxEntries), "")
			}
		}
	}
}

// acts reports whether an option shapes the list.
func acts(key string) bool {
	switch key {
	case "ini", "yaml", "yml", "xml", "xmlconfig", "json", "js", "include", "set", "set-placeholder", "set-ph", "declare-option", "declare-option2":
		return true
	}
	return false
}

// expandDeclared returns the options of a declared option.
func expandDeclared(e entry, template string) (entries []entry) {
	args := strings.FieldsFunc(e.value, func(c rune) bool { return c == ' ' })
	if len(args) == 0 {
		args = []string{""}
	}
	if names := e.names; len(names) > 0 { // which may be divided
		for _, arg := range args {
			e.names = e.names.with(pieces{{names[0].variable, arg}})
		}
	}
	for part := range strings.SplitSeq(template, ";") {
		key, value, ok := strings.Cut(part, "=")
		if part == "" {
			continue
		}
		if !ok {
			break // uWSGI ends here, silently
		}
		for i, arg := range args {
			place := fmt.Sprintf("$%d", i+1)
			key, value = strings.ReplaceAll(key, place, arg), strings.ReplaceAll(value, place, arg)
		}
		entries = append(entries, entry{key: key, value: value, origin: e.origin, done: true, tenant: e.tenant, names: e.names})
	}
	return entries
}
