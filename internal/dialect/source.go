package dialect

import "github.com/emperor-go/emperor/internal/problem"

// Source is a configuration. Its Data were read once; its path is not read again.
type Source struct {
	// Name is the name by which it was given: the magic variable %o. Its extension decides the
	// format: .ini, .yaml, .yml, .json, .js or .xml. Any other means ini.
	Name string
	// Section is the section that counts. Empty: [uwsgi], or our name for it.
	Section string
	// Path is absolute. Messages and magic variables use it.
	Path string
	// Data is the content. Nil in a template: it is read by its name.
	Data []byte
	// Tenant is true when the tenant wrote it: options that a tenant may not set are mistakes
	// there, and its text opens and runs nothing without Permissions.Owner.
	Tenant bool
}

// Templates are the operator's text around the file of each vassal. They have the order of
// uWSGI's Emperor: InheritBefore, IncludeBefore, Set, the file, Inherit, Include. An include
// stands at its place; inherited options count after everything else, and of two values of an
// option the last one counts. A placeholder takes the first.
//
// Texts are bytes: file names on Linux need not be UTF-8, and Templates are sent to vassals.
type Templates struct {
	InheritBefore, IncludeBefore []Template
	// Set are options, each key=value.
	Set              [][]byte
	Inherit, Include []Template
	// VassalMagic: magic variables in templates describe the vassal's file. Otherwise, as in
	// uWSGI, lowercase ones describe the template, and uppercase ones the vassal's file only
	// in text that is read after it.
	VassalMagic bool
}

// Template is a file that was read once. Its fields have the meaning of the fields of Source.
type Template struct{ Name, Path, Data []byte }

// Template returns the source as a template.
func (s Source) Template() Template { return Template{[]byte(s.Name), []byte(s.Path), s.Data} }

// source returns the template as a source.
func (t Template) source() Source {
	return Source{Name: string(t.Name), Path: string(t.Path), Data: t.Data}
}

// Load reads the configuration of a vassal, in the order in which uWSGI's Emperor names the
// files on the command line of a vassal: options in the environment come first.
func (r *Reader) Load(file Source, t Templates) { loadAround(r, file, t, nil) }

// LoadAround reads the text around a tenant's file as Load does, and not the file. In its place are
// entries, which are not expanded, and to which no placeholder refers.
func (r *Reader) LoadAround(file Source, t Templates, entries []Entry) {
	file.Tenant, r.files.withheld = true, true
	loadAround(r, file, t, entries)
}

func loadAround(r *Reader, file Source, t Templates, entries []Entry) {
	if file.Data == nil {
		file.Data = []byte{}
	}
	r.files.given = map[string]Source{}
	for _, list := range [][]Template{t.InheritBefore, t.IncludeBefore, t.Inherit, t.Include} {
		for _, one := range list {
			r.files.given[string(one.Name)] = one.source()
		}
	}
	r.files.given[file.Name] = file
	var pin *magic
	if t.VassalMagic {
		own := magicIn(r.permissions.Dir)
		pin = &own
		pin.pinned = true
		pin.named(file.Name)
		pin.vars['x'] = file.Section
		pin.file(file.Path)
		pin.hold()
	}
	r.Environ()
	r.position.shared = true
	r.templates("inherit", r.options.Around.Inherit, t.InheritBefore, pin)
	r.templates("include", r.options.Around.Include, t.IncludeBefore, pin)
	for _, option := range t.Set {
		r.position.at = problem.Origin{File: r.options.Around.Set}
		r.add("set", string(option))
	}
	r.position.at, r.position.shared = problem.Origin{File: file.Path}, false
	kind, _ := formatByName(file.Name)
	r.add(string(kind), file.Name)
	for _, e := range entries {
		e.final = true
		r.list.entries = append(r.list.entries, e)
	}
	if file.Tenant && r.logic.open { // it would swallow templates
		r.problem("", "a block has no end", "close it with end =")
		r.logic = logic{}
	}
	r.position.shared = true
	r.templates("inherit", r.options.Around.Inherit, t.Inherit, pin)
	r.templates("include", r.options.Around.Include, t.Include, pin)
}

// AddShared adds an option that is given to several vassals. where stands for its place in messages.
func (r *Reader) AddShared(where string, e Entry) {
	at, shared := r.position.at, r.position.shared
	r.position.at, r.position.shared = problem.Origin{File: where}, true
	r.Add(e)
	r.position.at, r.position.shared = at, shared
}

// templates adds templates by the option that reads them. place is their place in messages. With pin the magic variables in them
// are those.
func (r *Reader) templates(key, place string, list []Template, pin *magic) {
	for _, one := range list {
		r.position.at = problem.Origin{File: place}
		if pin != nil {
			if r.files.pins == nil {
				r.files.pins = map[int]*magic{}
			}
			r.files.pins[len(r.list.entries)] = pin
		}
		r.add(key, string(one.Name))
	}
}

// SectionOf returns the lines of a section of an ini file, in order. As uWSGI's Emperor reads
// it for itself, it is not expanded: no magic variables, placeholders or includes. A file in
// another format has none.
func SectionOf(src Source, name string) (entries []Entry) {
	if kind, _ := formatByName(src.Name); kind != formatINI {
		return nil
	}
	lines, _, _ := lex(src.Path, withoutMark(string(src.Data)), nil)
	for _, l := range lines {
		if l.section == name {
			entries = append(entries, Entry{Key: l.key, Value: l.value, Origin: problem.Origin{File: src.Path, Line: l.number}})
		}
	}
	return entries
}
