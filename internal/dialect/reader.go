package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/uwsginames"
)

// reader converts sources to the ordered list of options that uWSGI would have: environment,
// command line and files. It acts on the options that uWSGI acts on while it reads. It stands
// between the lexer, which knows lines, and the tables, which know the meaning of options; it
// knows only the options that shape the list.
//
// It collects mistakes. Only an exceeded limit ends the reading.
type reader struct {
	access Access
	// sections are the names that [uwsgi] may have in the sources read.
	sections []string

	entries []entry
	first   map[string]int // the position of the first entry of a key
	size    int            // bytes of all values
	at      Origin         // of the current text
	key     string         // of the value that is being expanded
	reads   []Variable     // environment variables that were looked up
	tenant  bool           // the current text is the tenant's own
	shared  bool           // the current text is for several vassals
	names   pieces         // names in the value that is being read or expanded
	listed  bool           // the value that is being read is one of a list

	magic    magic
	logic    logic
	last     string            // the ini file opened last, for `:section`
	open     []string          // files being read, the outermost first
	given    map[string]Source // files that need not be opened
	pins     map[int]*magic    // magic variables of an include or inherit, by entry
	before   string            // text before the text of each file
	after    string            // and after it
	forbid   []string          // keys of an open blacklist
	allow    []string          // keys of an open whitelist
	declared map[string]string // options by declare-option, and their templates
	early    []entry           // options of declared options that were met after their declaration
	nested   int               // current nesting of declared options
	used     []string          // keys that are referred to, all of them after finish
	environ  map[string]entry  // variables set by ienv
	work     int               // bytes scanned in expansion

	warnings, problems Problems
	stopped            bool // a limit was reached
	partial            bool // a part was skipped because it is not permitted
	empty              bool // a file contained no options
}

func newReader(access Access, sections ...string) *reader {
	r := &reader{access: access, sections: sections, first: map[string]int{}, entries: make([]entry, 0, 20)}
	r.magic = magicIn(access.Dir)
	return r
}

// problem adds a mistake at the current position.
func (r *reader) problem(key, what, hint string) { r.problems.add(r.at, key, what, hint) }

// limit adds the mistake that ends the reading.
func (r *reader) limit(key, what, hint string) {
	if !r.stopped {
		r.problem(key, what, hint)
	}
	r.stopped = true
}

// add adds an option, as uWSGI's add_exported_option does: an open block gets it first, then
// it joins the list, and immediate options act at once.
func (r *reader) add(key, value string) { r.addEntry(entry{key: key, value: value}) }

func (r *reader) addEntry(e entry) {
	if r.stopped || r.forbidden(e.key) || r.logic.took(r, e) {
		return
	}
	r.append(e)
}

// addLine adds an option as it stands in a file, with marks around names.
func (r *reader) addLine(l line) {
	key, _ := unmark(l.key)
	value, names := unmark(l.value)
	r.names, r.listed = names, l.listed
	r.add(key, value)
	r.names, r.listed = nil, false
}

// append adds an option to the list and acts on it.
func (r *reader) append(e entry) {
	e.origin, e.tenant, e.shared, e.names, e.listed = r.at, r.tenant, r.shared, r.names, r.listed
	i := len(r.entries)
	r.size += len(e.value)
	if i >= maxEntries || r.size > MaxFile {
		r.limit(e.key, fmt.Sprintf("there are more than %d options, or more than 2 MiB of them", maxEntries), "does a file include itself?")
		return
	}
	r.entries = append(r.entries, e)
	if _, again := r.first[e.key]; !again {
		r.first[e.key] = i
	}
	if !e.done {
		done, own := r.immediate(i, e)
		r.entries[i].done, r.entries[i].own = done, own
	}
}

// lookup returns the value of a key for a placeholder: the value of its first entry.
func (r *reader) lookup(key string) (string, bool) {
	i, ok := r.first[key]
	if !ok {
		return "", false
	}
	if r.entries[i].asked = true; r.entries[i].bare {
		return "", false
	}
	r.names = r.names.with(r.entries[i].names)
	return r.entries[i].value, true
}

// immediate acts on the options that uWSGI acts on while it reads. done: it is one of them, so
// that no pass expands its value. own: the table has nothing left to do.
func (r *reader) immediate(i int, e entry) (done, own bool) {
	switch e.key {
	case "ini", "yaml", "yml":
		r.load(e.key, e.value)
	case "xml", "xmlconfig", "json", "js": // uWSGI cuts the section off in place
		r.entries[i].value, _, _ = splitSection(e.value)
		r.load(e.key, e.value)
	case "include":
		r.template(i, e)
	case "config":
		r.problem(e.key, fmt.Sprintf("cannot load %q: there are no configuration plugins", e.value), "name the format: ini, yaml, json or xml")
	case "inject-before", "inject-after":
		r.inject(e.key, e.value)
	case "set":
		if key, value, ok := strings.Cut(e.value, "="); ok {
			r.addEntry(entry{key: key, value: value})
		} else {
			r.problem(e.key, fmt.Sprintf("%q sets nothing", e.value), "key=value")
		}
	case "set-placeholder", "set-ph", "resolve":
		r.placeholder(e)
	case "declare-option", "declare-option2":
		r.declare(e)
	case "blacklist":
		r.forbid = strings.Fields(e.value)
	case "whitelist":
		r.allow = strings.Fields(e.value)
	case "end-blacklist":
		r.forbid = nil
	case "end-whitelist":
		r.allow = nil
	case "exit":
		r.problem(e.key, "the configuration asks not to be used", "")
	case "ienv":
		if r.tenant { // it would change $(…) in templates
			r.problem(e.key, "a tenant's own file may not say this", "the operator may, in a template")
		} else {
			r.setenv(e.value)
		}
	case "show-config":
		return false, true
	default:
		if b, ok := blockOf(e.key); ok {
			r.begin(e, b)
			return true, true
		}
		if template, ok := r.declared[e.key]; ok {
			r.expand(i, r.entries[i], template)
			return true, true
		}
		if isEnd(e.key) { // uWSGI has no option `end`, but it ends a block
			return e.key != "end", true
		}
		return slices.Contains(atOnce, e.key), false
	}
	return true, true
}

// template includes or inherits a file, with the magic variables that were chosen for it.
func (r *reader) template(i int, e entry) {
	if pin := r.pins[i]; pin != nil {
		before := r.magic
		r.magic = *pin
		defer func() { r.magic = before }()
	}
	r.include(e.key, e.value)
}

// atOnce are the other options that act while uWSGI reads. The tables carry them out, with
// their unexpanded values.
var atOnce = []string{
	"autoload", "dlopen", "early-envdir", "fallback-config", "flock", "flock-wait", "immediate-gid", "immediate-uid",
	"iprint", "listen", "need-plugin", "need-plugins", "plugin", "plugin-dir", "plugins", "plugins-dir",
	"spooler-processes", "strict", "umask",
}

// placeholder adds an entry that only placeholders see.
func (r *reader) placeholder(e entry) {
	key, value, ok := strings.Cut(e.value, "=")
	switch {
	case !ok:
		r.problem(e.key, fmt.Sprintf("%q sets nothing", e.value), "name=value")
		return
	case e.key == "resolve":
		ip, err := r.resolve(value)
		if err != nil {
			r.failed(e.key, err)
			return
		}
		value = ip
	}
	if isOption(key) {
		r.problem(e.key, fmt.Sprintf("%q is an option and cannot be a placeholder", key), "set "+key+"=value sets it")
		return
	}
	r.addEntry(entry{key: key, value: value, done: true, own: true})
}

// forbidden reports, and records, that a key may not stand here.
func (r *reader) forbidden(key string) bool {
	same := func(s string) bool { return strings.EqualFold(s, key) }
	switch {
	case r.forbid != nil && slices.ContainsFunc(r.forbid, same):
		r.problem(key, "the option is on the blacklist", "")
	case r.allow != nil && !slices.ContainsFunc(r.allow, same):
		r.problem(key, "the option is not on the whitelist", "end-whitelist must be on it as well")
	default:
		return false
	}
	return true
}

// isOption reports whether a key is one of uWSGI's options or of ours.
func isOption(key string) bool {
	_, known := uwsginames.Lookup(key)
	return known || whose(key) != ""
}

// finish runs the last steps of uWSGI after all sources are read, the passes and then the
// options that add further ones, and returns the list for a table.
func (r *reader) finish() []entry {
	r.used = append(r.used, references(r.entries)...)
	r.passes()
	list := r.apply()
	r.used = append(r.used, references(list)...) // no pass expands inherited options
	for _, e := range list {
		if e.asked {
			r.used = append(r.used, e.key)
		}
	}
	return list
}

// apply opens inherited files, which extend the list at its end, and then adds the options of
// declared ones that were met before their declaration.
func (r *reader) apply() []entry {
	for i := 0; i < len(r.entries) && !r.stopped; i++ {
		if e := r.entries[i]; e.key == "inherit" && !e.own {
			r.entries[i].done, r.entries[i].own = true, true
			r.at, r.tenant, r.shared, r.names = e.origin, e.tenant, e.shared, e.names
			r.template(i, e)
		}
	}
	list := slices.Clip(r.early)
	for i, e := range r.entries {
		template, declared := r.declared[e.key]
		if declared && !e.done && !e.own {
			r.entries[i].own = true
			list = append(list, r.entries[i])
			list = append(list, expandDeclared(e, template)...)
			continue
		}
		list = append(list, e)
	}
	return list
}
