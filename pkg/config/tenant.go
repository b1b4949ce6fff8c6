package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/dialect"
	"github.com/emperor-go/emperor/pkg/config/option"
)

// The configuration of a tenant's vassal is read twice. Before privileges are dropped only the
// operator's text is read, with the rights of the operator: the templates, and not the file of the
// tenant. From the bytes of the file come only the lines whose options are marked Early, or are permitted
// by name, and these are read from the bytes alone. Afterwards everything is read, with the rights of
// the tenant. The second reading cannot change the first one: options that are decided early have the
// same lines of the operator, and the same early lines of the tenant, in both.

// Operator is the first reading of a tenant's vassal: the operator's text and the early lines of the
// tenant. Only options of before the drop, and limits, are meaningful in the result. An error is of type
// Problems.
func (l Loader) Operator(src Source) (v *Vassal, warnings Problems, err error) {
	early, keys, problems := l.early(src)
	l.Permissions.Trusted = true
	r := newReader(l.Permissions, "vassal")
	presets(r)
	r.LoadAround(src, l.Templates, early)
	read := r.Finish()
	v = defaultVassal()
	v.Name, v.entries, v.reads, v.held = read.Name, strictLast(read.Entries), read.Variables, l.Permissions.Held
	v.partial = read.Partial
	l.permit(v.entries)
	keys.forbid(v.entries, &problems)
	warnings, wrong, _ := vassalOptions.decode(v.entries, read, v)
	problems = append(append(read.Problems, problems...), wrong...)
	ownedByFile(v.entries, &problems)
	oneNetwork(v.entries, &problems)
	// A directory of variables may be the tenant's: it has an effect after the drop only.
	v.Env = slices.DeleteFunc(v.Env, func(c EnvChange) bool { return c.Kind == "dir" })
	if err := problems.Err(); err != nil {
		return nil, append(read.Warnings, warnings...), err
	}
	return v, append(read.Warnings, warnings...), nil
}

// anotherUser are options that contradict the rule that a vassal runs as the owner of its file.
var anotherUser = []string{"uid", "gid", "privileged-binary-patch", "privileged-binary-patch-arg", "privileged-binary-patch-init"}

// ownedByFile finds options that choose another user than the owner of the file.
func ownedByFile(entries []dialect.Entry, problems *Problems) {
	for _, e := range entries {
		if o := vassalOptions.find(e.Key); o != nil && slices.Contains(anotherUser, o.Name) && !e.Handled && !e.Tenant {
			problems.Add(e.Origin, e.Key, "the vassal runs as the owner of its file (emperor-tyrant)", "drop the line, or move it to the files of the operator")
		}
	}
}

// oneNetwork finds a network that a tenant chooses instead of the one of the operator's text.
func oneNetwork(entries []dialect.Entry, problems *Problems) {
	var operators, tenants *dialect.Entry
	for i, e := range entries {
		switch {
		case e.Key != "network" || e.Handled:
		case e.Tenant:
			tenants = &entries[i]
		default:
			operators = &entries[i]
		}
	}
	if operators != nil && tenants != nil && operators.Value != tenants.Value {
		problems.Add(tenants.Origin, "network", fmt.Sprintf("the operator has set %s (%s)", operators.Value, operators.Origin), "drop the line")
	}
}

// permit marks the lines of a tenant that Allow permits.
func (l Loader) permit(entries []dialect.Entry) {
	for i, e := range entries {
		if o := vassalOptions.find(e.Key); e.Tenant && o != nil && slices.Contains(l.Allow, o.Name) {
			entries[i].Permitted = true
		}
	}
}

// Granted returns the options that a tenant's file has only because emperor-tyrant-allow permits them: they act as root.
func (v *Vassal) Granted() (names []string) {
	for _, e := range v.entries {
		if o := vassalOptions.find(e.Key); e.Permitted && o != nil && !o.Tyrant {
			names = append(names, o.Name)
		}
	}
	return names
}

// early returns the lines of a tenant's file that count before it is read with the rights of the
// tenant. They are read from its bytes alone: a value with a file, a program or a variable is a mistake.
func (l Loader) early(src Source) (list []dialect.Entry, keys tenantKeys, problems Problems) {
	src.Tenant = true
	r := newReader(Permissions{Partial: true, Dir: l.Permissions.Dir, Foreign: l.Permissions.Foreign, Means: l.Permissions.Means}, "vassal")
	r.Load(src, Templates{})
	read := r.Finish()
	keys = tenantKeys{}
	for _, e := range read.Entries {
		if _, known := keys[e.Key]; !known {
			keys[e.Key] = e.Origin
		}
		o := vassalOptions.find(e.Key)
		if o == nil || e.Handled && !e.Skipped || !o.Early && !slices.Contains(l.Allow, o.Name) {
			continue
		}
		if e.Skipped || strings.Contains(e.Value, "%(") {
			problems.Add(e.Origin, e.Key, "in a tenant's file the value is read before all others, and alone", "a plain value, or placeholders of this file")
			continue
		}
		if o.Repeat || !slices.ContainsFunc(list, func(had dialect.Entry) bool { return vassalOptions.find(had.Key) == o }) {
			list = append(list, e)
		}
	}
	return list, keys, problems
}

// tenantKeys are the keys of a tenant's file, each with its place.
type tenantKeys map[string]Origin

// forbid finds lines of the operator that are decided early, and have a placeholder that only the file
// of the tenant sets. They are not used.
func (k tenantKeys) forbid(entries []dialect.Entry, problems *Problems) {
	for i, e := range entries {
		o := vassalOptions.find(e.Key)
		if o == nil || e.Tenant || e.Handled || !decidedEarly(o) {
			continue
		}
		for key, at := range k {
			if strings.Contains(e.Value, "%("+key+")") {
				entries[i].Handled = true
				problems.Add(e.Origin, e.Key, fmt.Sprintf("it uses %%(%s), which only the file of the tenant sets (%s)", key, at), dependsHint)
				break
			}
		}
	}
}

// decidedEarly reports whether the first reading decides about an operator's line: it acts before the
// drop, or confines the vassal.
func decidedEarly(o *option.Row[Vassal]) bool { return !o.Tyrant || o.Guard || confining(o) }

const dependsHint = "a value that depends on nothing that a tenant's file, or a file of a tenant, can set"

// unlike finds options that the full reading of a tenant's vassal decides otherwise than the first one:
// its text changes the text of the operator, or is seen by the tenant only.
func unlike(first, all []dialect.Entry, problems *Problems) {
	for _, list := range []struct {
		of   func(e dialect.Entry, o *option.Row[Vassal]) bool
		what string
		hint string
	}{
		{
			func(e dialect.Entry, o *option.Row[Vassal]) bool {
				return !e.Tenant && decidedEarly(o)
			},
			"the text of the tenant changes this line of the operator", dependsHint,
		},
		{
			func(e dialect.Entry, o *option.Row[Vassal]) bool { return e.Tenant && (o.Early || e.Permitted) },
			"the emperor cannot read it here, before the vassal starts", "one line in the vassal's own file, with a plain value",
		},
	} {
		was, is := decided(first, list.of), decided(all, list.of)
		for i, e := range is {
			if i < len(was) && e.Key == was[i].Key && e.Value == was[i].Value {
				continue
			}
			problems.Add(e.Origin, e.Key, list.what, list.hint)
			break
		}
		if len(was) > len(is) {
			e := was[len(is)]
			problems.Add(e.Origin, e.Key, list.what, list.hint)
		}
	}
}

// confining reports whether an option confines a vassal, so that the stricter one of an operator's
// and a tenant's line counts.
func confining(o *option.Row[Vassal]) bool {
	return o.Group == "Privileges" || o.Group == "Limits" || o.Group == "Files"
}

// tyrantDefaults are lines of the operator that stand before all others in the vassals of tenants: what
// confines those unless a template says otherwise. A default of tyrant mode is a row here, and nowhere
// else.
var tyrantDefaults = []struct{ option, value string }{
	{"cap", "none"},
	{"no-new-privileges", "true"},
	{"system-call-filter", "default"},
	{"limit-core", "0"},
	{"limit-nofile", "1024:524288"},
	{"limit-memlock", "64k"},
	{"tasks-max", "512"},
	{"memory-max", "25%"},
	{"memory-swap-max", "0"},
	{"private-devices", "true"},
	{"private-tmp", "true"},
	{"protect-home", "true"},
	{"protect-proc", "invisible"},
	{"protect-system", "strict"},
}

// presetPlace stands for the place of these lines in messages.
const presetPlace = "emperor-tyrant"

// presets adds the defaults of tyrant mode.
func presets(r *dialect.Reader) {
	for _, d := range tyrantDefaults {
		r.AddShared(presetPlace, dialect.Entry{Key: d.option, Value: d.value})
	}
}

// strictLast moves the lines of a tenant that confine behind the operator's: setters keep the
// stricter of the two.
func strictLast(entries []dialect.Entry) []dialect.Entry {
	late := func(e dialect.Entry) bool {
		o := vassalOptions.find(e.Key)
		return e.Tenant && o != nil && (confining(o) || slices.Contains([]string{"limit-as", "limit-nproc", "network-limit", "network-mtu"}, o.Name))
	}
	var first, last []dialect.Entry
	for _, e := range entries {
		if late(e) {
			last = append(last, e)
		} else {
			first = append(first, e)
		}
	}
	return append(first, last...)
}

// decided returns the chosen lines.
func decided(entries []dialect.Entry, of func(dialect.Entry, *option.Row[Vassal]) bool) (list []dialect.Entry) {
	for _, e := range entries {
		if o := vassalOptions.find(e.Key); o != nil && !e.Handled && of(e, o) {
			list = append(list, e)
		}
	}
	return list
}
