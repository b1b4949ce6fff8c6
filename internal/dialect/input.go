package config

import "slices"

// Source is a configuration. With Data its bytes were read once, and it is never
// read again by its path.
type Source struct {
	// Name is how it was called: what the magic variable %o says. Its ending says
	// what it is: .ini, .yaml, .yml, .json, .js or .xml, and ini for anything else.
	Name string
	// Section is the section that counts. Empty: [uwsgi], or our name for it.
	Section string
	// Path is absolute; it serves messages and magic variables.
	Path string
	// Data is the content. Nil in a template: it is read by its name.
	Data []byte
	// Tenant is true when somebody else than the operator wrote it: only options
	// that a tenant may say are accepted, and it may not have anything run.
	Tenant bool
}

// Input is all that a vassal is configured by. Options in the environment come
// before everything else.
type Input struct {
	Source    Source
	Templates Templates
	// Access is what may be touched besides.
	Access Access
}

// ParseVassal reads a vassal's configuration. On mistakes the error is Problems
// with all of them. Warnings come with either result. It opens nothing and does
// not block, so it may be used on what a tenant wrote: what would need more, it
// leaves out.
func ParseVassal(src Source) (v *Vassal, warnings Problems, err error) {
	return Input{Source: src, Access: Access{Partial: true}}.Parse()
}

// Parse reads it all, as ParseVassal does, with the access that was given.
func (in Input) Parse() (*Vassal, Problems, error) {
	r := in.read()
	return finishVassal(in.Source.Path, r)
}

// Examine reads it as Parse does and returns what was understood beside the
// mistakes, which are sorted: good to look for more of them, and for nothing else.
func (in Input) Examine() (v *Vassal, warnings, problems Problems) {
	v, warnings, problems = examine(in.Source.Path, in.read())
	_ = problems.err()
	return v, warnings, problems
}

// read makes the list of options, in the order in which uWSGI's Emperor names
// the files on the command line of a vassal.
func (in Input) read() *reader {
	r := newReader(in.Access, "vassal")
	t, file := in.Templates, in.Source
	if file.Data == nil {
		file.Data = []byte{}
	}
	r.given = map[string]Source{}
	for _, src := range slices.Concat(t.InheritBefore, t.IncludeBefore, t.Inherit, t.Include, []Source{file}) {
		r.given[src.Name] = src
	}
	var pin *magic
	if t.VassalMagic {
		own := magicIn(in.Access.Dir)
		pin = &own
		pin.pinned = true
		pin.named(file.Name)
		pin.vars['x'] = file.Section
		pin.file(file.Path)
		pin.hold()
	}
	r.fromEnviron()
	r.shared = true
	r.templates("inherit", t.InheritBefore, pin)
	r.templates("include", t.IncludeBefore, pin)
	for _, option := range t.Set {
		r.at = Origin{File: "vassal-set"}
		r.add("set", option)
	}
	r.at, r.shared = Origin{File: file.Path}, false
	kind, _ := formatByName(file.Name)
	r.add(string(kind), file.Name)
	if file.Tenant && r.logic.open { // it would swallow templates
		r.problem("", "a block has no end", "close it with end =")
		r.logic = logic{}
	}
	r.shared = true
	r.templates("inherit", t.Inherit, pin)
	r.templates("include", t.Include, pin)
	return r
}

// templates adds templates by the option that reads them. With pin the magic
// variables in them are those.
func (r *reader) templates(key string, list []Source, pin *magic) {
	for _, src := range list {
		r.at = Origin{File: "vassals-" + key}
		if pin != nil {
			if r.pins == nil {
				r.pins = map[int]*magic{}
			}
			r.pins[len(r.entries)] = pin
		}
		r.add(key, src.Name)
	}
}

// finishVassal makes a vassal of what was read.
func finishVassal(file string, r *reader) (*Vassal, Problems, error) {
	v, warnings, problems := examine(file, r)
	if err := problems.err(); err != nil {
		return nil, warnings, err
	}
	return v, warnings, nil
}

// examine makes as much of a vassal as was understood.
func examine(file string, r *reader) (v *Vassal, warnings, problems Problems) {
	v = defaultVassal()
	v.Name = r.magic.vars['S']
	v.entries = r.finish()
	v.partial, v.reads, v.unread = r.partial, r.reads, len(r.problems) > 0 || r.empty
	warnings, problems, rest := vassalOptions.decode(v.entries, r.used, v)
	unsure := doubts{unread: len(r.problems) > 0, options: rest.wrong}
	warnings, problems = append(r.warnings, warnings...), append(r.problems, problems...)
	v.loggers(&warnings)
	if r.partial {
		return v, warnings, problems
	}
	v.held = r.access.Held
	v.check(file, unsure, &warnings, &problems)
	if len(problems) == 0 {
		v.withoutStats(&warnings)
		v.withoutServer(&warnings)
		v.unlimited(&warnings)
		v.withoutWorkers(&warnings)
	}
	rest.report(&warnings)
	return v, warnings, problems
}
