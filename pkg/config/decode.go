package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/pkg/config/option"
)

// decode puts the entries into into, in order, and reports every mistake. used are the keys
// that other values refer to: placeholders, unless uWSGI has an option of that name. entries
// contains the interpreted keys and values afterwards.
func (t table[T]) decode(entries []entry, used []string, into *T) (warnings, problems Problems, rest remainder) {
	first := map[string]entry{}
	unknown := strangers{strict: strict(entries), used: used, names: t.everyName, guards: t.decides}
	for i, e := range entries {
		if e.own && !e.left {
			continue
		}
		if e.origin.File != "" { // an element, a scalar or a variable keeps its blanks; a line of ini has none
			e.value = strings.Trim(e.value, blanks+"\n")
			entries[i].value = e.value
		}
		o := t.find(e.key)
		if o != nil && ours(e.key) && slices.Contains(used, e.key) {
			entries[i].own = true
			warnings.add(e.origin, e.key, "a value uses it as %("+e.key+"): it is a placeholder here, and not the option", "the option is "+t.program()+o.Name+" then")
			continue
		}
		if o != nil && problems.misread(o.Misreads, e) {
			rest.wrong = append(rest.wrong, o.Name)
			continue
		}
		if e.left {
			continue
		}
		if o == nil {
			if meant, found := t.unassigned(e, &unknown, &warnings, &problems); found {
				rest.wrong = append(rest.wrong, meant)
				continue
			}
			unknown.meet(e, &warnings, &problems)
			continue
		}
		if e.tenant && !o.Tyrant {
			rest.wrong = append(rest.wrong, o.Name)
			problems.add(e.origin, e.key, "a tenant's own file may not say this", "the operator may, in a template")
			continue
		}
		before, again := first[o.Name]
		if again && e.listed && before.listed && !o.Repeat && before.origin.File == e.origin.File {
			rest.wrong = append(rest.wrong, o.Name)
			problems.add(before.origin, e.key, "it is given as a list, and takes one value", oneValue(o, before, e))
			continue
		}
		if again && (o.Guard || o.Once) && before.value != e.value && before.origin.File == e.origin.File {
			problems.add(e.origin, e.key, fmt.Sprintf("given twice: %q here, %q %s", e.value, before.value, earlier(before.origin)), "keep one")
			continue
		}
		if !again {
			first[o.Name] = e
		}
		err := o.Put(into, option.Value{Text: e.value, Origin: e.origin, Tenant: e.tenant})
		if number, ok := leading(o, e.value); err != nil && ok && o.Put(into, option.Value{Text: number, Origin: e.origin, Tenant: e.tenant}) == nil {
			entries[i].value = number
			warnings.add(e.origin, e.key, fmt.Sprintf("%q is taken for %s", e.value, number), option.Comments)
		} else if err != nil {
			rest.wrong = append(rest.wrong, o.Name)
			problems.add(e.origin, e.key, complaint(o, e, err), remedy(o, into, e, err))
		} else if what, hint := doubt(o, into, e); what != "" {
			warnings.add(e.origin, e.key, what, hint)
		}
	}
	unknown.refuse(func(option string) bool { _, ok := first[option]; return ok }, &problems)
	unknown.report(&warnings)
	rest.wrong, rest.idle = append(rest.wrong, unknown.meant...), unknown.idle
	return warnings, problems, rest
}

// oneValue suggests the syntax of an option that was given as a list of words.
func oneValue[T any](o *option.Row[T], first, second entry) string {
	if o.Arg == programs {
		return fmt.Sprintf("%s: %s %s…", first.key, first.value, second.value)
	}
	return first.key + ": " + first.value
}

// earlier returns where in the same file an option was given before.
func earlier(o Origin) string {
	if o.Line == 0 {
		return "before"
	}
	return fmt.Sprintf("on line %d", o.Line)
}

// firstWord splits a line without = at its first blank or colon, as in `uid nobody` and `uid:
// nobody`. rest is empty when there is nothing to split.
func firstWord(key string) (word, rest string) {
	at := strings.IndexAny(key, blanks+":")
	if at < 0 {
		return key, ""
	}
	return key[:at], strings.TrimLeft(key[at:], blanks+":")
}

// decides reports whether an option is about rights or their preparation, and whether it may
// be given several times.
func (t table[T]) decides(name string) (guard, repeat bool) {
	o := t.find(name)
	if o == nil {
		return false, false
	}
	_, hook := hookPhase(o.Name)
	names := o.Name == "emperor-vassal" || strings.HasPrefix(o.Name, "emperor-wrapper") // the program of vassals
	hook = hook || strings.HasSuffix(o.Name, "-hook")                                   // vassals-start-hook, vassals-stop-hook
	return o.Guard || hook || names || slices.Contains([]string{"Namespaces", "Network", "Privileges", "Templates"}, o.Group), o.Repeat
}

// strict reports whether unknown options are errors. It applies to the whole configuration,
// wherever it stands.
func strict(entries []entry) bool {
	on := false
	for _, e := range entries {
		if e.key == "strict" {
			on = option.ParseBool(e.value)
		}
	}
	return on
}
