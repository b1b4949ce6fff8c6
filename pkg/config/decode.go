package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/dialect"
	"github.com/emperor-go/emperor/pkg/config/option"
)

// decode stores the entries in into, in order, and reports all mistakes. used are the keys that
// other values refer to: they are placeholders, unless uWSGI has an option of that name.
// Afterwards entries contains the interpreted keys and values.
func (t table[T]) decode(entries []dialect.Entry, read dialect.Result, into *T) (warnings, problems Problems, rest remainder) {
	used := read.Used
	first := make(map[string]int, len(entries)) // the index of the first entry of each option
	unknown := unknownKeys{strict: strict(entries), used: used, names: t.near, guards: t.decides}
	for i, e := range entries {
		if e.Handled && !e.Skipped {
			continue
		}
		if e.Origin.File != "" { // only elements, scalars and variables keep their dialect.Blanks; lines of ini have none
			e.Value = strings.Trim(e.Value, dialect.Blanks+"\n")
			entries[i].Value = e.Value
		}
		o := t.find(e.Key)
		if o != nil && slices.Contains(used, e.Key) && ours(e.Key) {
			entries[i].Handled = true
			warnings.Add(e.Origin, e.Key, "a value uses it as %("+e.Key+"): it is a placeholder here, and not the option", "the option is "+t.program()+o.Name+" then")
			continue
		}
		if o != nil {
			if p, found := e.Misread(o.Misreads); found {
				problems = append(problems, p)
				rest.wrong = append(rest.wrong, o.Name)
				continue
			}
		}
		if e.Skipped {
			continue
		}
		if o == nil {
			if meant, found := t.unassigned(e, &unknown, &warnings, &problems); found {
				rest.wrong = append(rest.wrong, meant)
				continue
			}
			unknown.check(e, &warnings, &problems)
			continue
		}
		if e.Tenant && !o.Tyrant && !e.Permitted {
			rest.wrong = append(rest.wrong, o.Name)
			problems.Add(e.Origin, e.Key, refusedTenant, refusedHint(o.Name))
			continue
		}
		var before dialect.Entry
		at, again := first[o.Name]
		if again {
			before = entries[at]
		}
		if again && e.Listed && before.Listed && !o.Repeat && before.Origin.File == e.Origin.File {
			rest.wrong = append(rest.wrong, o.Name)
			problems.Add(before.Origin, e.Key, "expects one value, not a list", oneValue(o, before, e))
			continue
		}
		if again && (o.Guard || o.Once) && before.Value != e.Value && before.Origin.File == e.Origin.File {
			problems.Add(e.Origin, e.Key, fmt.Sprintf("given twice: %q here, %q %s", e.Value, before.Value, earlier(before.Origin)), "keep one")
			continue
		}
		if !again {
			first[o.Name] = i
		}
		err := o.Put(into, option.Value{Text: e.Value, Origin: e.Origin, Tenant: e.Tenant, Expression: read.Expression})
		if number, ok := leading(o, e.Value); err != nil && ok && o.Put(into, option.Value{Text: number, Origin: e.Origin, Tenant: e.Tenant}) == nil {
			entries[i].Value = number
			warnings.Add(e.Origin, e.Key, fmt.Sprintf("%q means %s", e.Value, number), option.Comments)
		} else if err != nil {
			rest.wrong = append(rest.wrong, o.Name)
			problems.Add(e.Origin, e.Key, complaint(o, e, err), remedy(o, into, e, err))
		} else if what, hint := doubt(o, into, e); what != "" {
			warnings.Add(e.Origin, e.Key, what, hint)
		}
	}
	unknown.refuse(func(option string) bool { _, ok := first[option]; return ok }, &problems)
	unknown.report(&warnings)
	rest.wrong, rest.idle = append(rest.wrong, unknown.meant...), unknown.idle
	return warnings, problems, rest
}

// The mistake of an option that a tenant's own file may not contain.
const (
	refusedTenant     = "not permitted in a tenant's own file"
	refusedTenantHint = "it acts with the operator's rights: in a template, or by emperor-tyrant-allow"
)

// refusedHint is the remedy for an option.
func refusedHint(option string) string {
	if slices.Contains(anotherUser, option) {
		return "the vassal runs as the owner of the file"
	}
	return refusedTenantHint
}

// oneValue suggests the syntax of an option that was given as a list of words.
func oneValue[T any](o *option.Row[T], first, second dialect.Entry) string {
	if o.Arg == programs {
		return fmt.Sprintf("%s: %s %s…", first.Key, first.Value, second.Value)
	}
	return first.Key + ": " + first.Value
}

// earlier returns the position of the first entry of an option in the same file.
func earlier(o Origin) string {
	if o.Line == 0 {
		return "before"
	}
	return fmt.Sprintf("on line %d", o.Line)
}

// firstWord splits a line without = at its first blank or colon, as in `uid nobody` and `uid:
// nobody`. An empty rest means that the line cannot be split.
func firstWord(key string) (word, rest string) {
	at := strings.IndexAny(key, dialect.Blanks+":")
	if at < 0 {
		return key, ""
	}
	return key[:at], strings.TrimLeft(key[at:], dialect.Blanks+":")
}

// decides reports whether an option sets or prepares rights, and whether it may be repeated.
func (t table[T]) decides(name string) (guard, repeat bool) {
	o := t.find(name)
	if o == nil {
		return false, false
	}
	_, hook := hookPhase(o.Name)
	names := o.Name == "emperor-vassal" || strings.HasPrefix(o.Name, "emperor-wrapper") // the program that runs vassals
	hook = hook || strings.HasSuffix(o.Name, "-hook")                                   // vassals-start-hook, vassals-stop-hook
	return o.Guard || hook || names || slices.Contains([]string{"Limits", "Namespaces", "Network", "Privileges", "Templates"}, o.Group), o.Repeat
}

// strict reports whether unknown options are errors. The option applies to the whole
// configuration, at any position.
func strict(entries []dialect.Entry) bool {
	on := false
	for _, e := range entries {
		if e.Key == "strict" {
			on = option.ParseBool(e.Value)
		}
	}
	return on
}
