package dialect

import (
	"fmt"
	"strings"
)

// declarations are the options by declare-option.
type declarations struct {
	declared map[string]string // their templates
	early    []Entry           // options of declared ones that were met after their declaration
	depth    int               // current nesting
}

// Declared returns the template of a declared option.
func (r *Reader) Declared(key string) (template string, ok bool) {
	template, ok = r.declarations.declared[key]
	return template, ok
}

// declare makes a key a declared option.
func (r *Reader) declare(e Entry) {
	key, template, ok := strings.Cut(e.Value, "=")
	if !ok {
		r.problem(e.Key, fmt.Sprintf("%q declares nothing", e.Value), "name=key=$1;key=$2")
		return
	}
	if r.options.Known(key) {
		r.outcome.warnings.Add(r.position.at, e.Key, fmt.Sprintf("%q is an option already, and this line has no effect", key), "")
		return
	}
	if r.declarations.declared == nil {
		r.declarations.declared = map[string]string{}
	}
	r.declarations.declared[key] = template
}

// expand acts on a declared option after its declaration. As in uWSGI it acts at once: its
// value is not expanded, options that act while a file is read do so, and all others count
// before everything that is in the list.
func (r *Reader) expand(i int, e Entry, template string) {
	if r.declarations.depth == maxDepth {
		r.limit(e.Key, fmt.Sprintf("declared options refer to each other more than %d deep", maxDepth), "does one refer to itself?")
		return
	}
	r.declarations.depth++
	defer func() { r.declarations.depth-- }()
	for _, part := range expandDeclared(e, template) {
		if r.outcome.stopped || r.forbidden(part.Key) {
			return
		}
		again, declared := r.declarations.declared[part.Key]
		switch {
		case declared:
			r.expand(i, part, again)
		case acts(part.Key):
			value := r.list.entries[i].Value // which does not concern this
			r.immediate(i, part)
			r.list.entries[i].Value = value
		default:
			r.declarations.early = append(r.declarations.early, part)
			if r.list.size += len(part.Value); len(r.declarations.early) > maxEntries || r.list.size > MaxFile {
				r.limit(e.Key, fmt.Sprintf("a declared option expands to more than %d options, or more than 2 MiB", maxEntries), "")
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
func expandDeclared(e Entry, template string) (entries []Entry) {
	args := strings.FieldsFunc(e.Value, func(c rune) bool { return c == ' ' })
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
		entries = append(entries, Entry{Key: key, Value: value, Origin: e.Origin, final: true, Tenant: e.Tenant, names: e.names})
	}
	return entries
}
