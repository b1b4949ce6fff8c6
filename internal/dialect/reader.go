package dialect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/problem"
)

// Reader converts sources to the ordered list of options that uWSGI would have: environment,
// command line and files. It acts on the options that uWSGI acts on while it reads. It stands
// between the lexer, which knows lines, and the tables, which know the meaning of options; it
// knows only the keys that shape the list, and asks Options about all others.
//
// It collects mistakes. Only an exceeded limit ends the reading. A Reader is for one
// configuration and one goroutine: methods that add options, then Finish.
type Reader struct {
	options     Options
	permissions Permissions
	// sections are the names that [uwsgi] may have in the sources read.
	sections []string

	list         list
	position     position
	files        files
	variables    environment
	declarations declarations
	keys         keyLists
	outcome      outcome
	magic        magic
	logic        logic
}

// list has the options so far.
type list struct {
	entries []Entry
	first   map[string]int // the position of the first entry of a key
	size    int            // bytes of all values
	used    []string       // keys that are referred to, all of them after Finish
}

// position describes the current text.
type position struct {
	at     problem.Origin
	key    string // of the value that is being expanded
	tenant bool   // the text is the tenant's own
	shared bool   // the text is for several vassals
	names  pieces // names in the value that is being read or expanded
	listed bool   // the value that is being read is one of a list
}

// files are the texts that are being read.
type files struct {
	given map[string]Source // files that need not be opened
	open  []string          // files being read, the outermost first
	last  string            // the ini file opened last, for `:section`
	pins  map[int]*magic    // magic variables of an include or inherit, by entry
	// before and after are texts around the text of each file.
	before, after string
	withheld      bool // the text of a tenant's file is not read
}

// keyLists are the keys of an open blacklist and of an open whitelist.
type keyLists struct{ forbid, allow []string }

// outcome is the result beside the list.
type outcome struct {
	warnings, problems problem.Problems
	nested             []Entry // keys in nested mappings
	stopped            bool    // a limit was reached
	partial            bool    // a part was skipped because it is not permitted
	empty              bool    // a file contained no options
}

// Options are the names of options, which a Reader does not know. All fields are required. They are
// not called for the keys that shape the list.
type Options struct {
	// Known reports whether a key is an option of any program, ours or uWSGI's.
	Known func(key string) bool
	// AtOnce reports whether uWSGI acts on an option while it reads, so that no pass expands its
	// value.
	AtOnce func(key string) bool
	// NamesPlugins reports whether the value of an option is a list of plugins.
	NamesPlugins func(key string) bool
	// Around are the places of the text around a vassal's file, for messages.
	Around Places
}

// Places are the places at which an operator gave the parts of Templates, as messages name them.
type Places struct{ Set, Inherit, Include string }

// New returns a Reader. sections are names beside [uwsgi] whose options count.
func New(options Options, permissions Permissions, sections ...string) *Reader {
	r := &Reader{options: options, permissions: permissions, sections: sections}
	r.list.first = make(map[string]int, 32)
	r.variables = environment{process: permissions.Environ, secrets: permissions.Secrets, position: &r.position}
	r.magic = magicIn(permissions.Dir)
	return r
}

// Result is a configuration after it was read and expanded.
type Result struct {
	// Name is the name of the file that was read first, without its directory.
	Name string
	// Entries are all options, in the order in which they count.
	Entries []Entry
	// Written are the options as uwsgi --show-config lists them: without the options that a
	// declared one stands for.
	Written []Entry
	// Used are the keys that values and conditions refer to.
	Used []string
	// Variables are the environment variables that were looked up, each once.
	Variables []Variable
	// Nested are keys of nested mappings, which are no options: in each Key the keys around it
	// stand before it, as in a.b.c. Only scalars have a Value.
	Nested []Entry
	// Warnings and Problems are in the order in which they were found.
	Warnings, Problems problem.Problems
	// Expression returns an error for a text that is no regular expression. Nil: expressions are not checked.
	Expression func(text string) error
	// Partial is true when a part was skipped because it is not permitted.
	Partial bool
	// Empty is true when a file contained no options.
	Empty bool
}

// problem adds a mistake at the current position.
func (r *Reader) problem(key, what, hint string) {
	r.outcome.problems.Add(r.position.at, key, what, hint)
}

// limit adds the mistake that ends the reading.
func (r *Reader) limit(key, what, hint string) {
	if !r.outcome.stopped {
		r.problem(key, what, hint)
	}
	r.outcome.stopped = true
}

// Report adds a mistake that the caller found.
func (r *Reader) Report(p problem.Problem) { r.outcome.problems = append(r.outcome.problems, p) }

// Mistakes returns the mistakes so far.
func (r *Reader) Mistakes() problem.Problems { return r.outcome.problems }

// add adds an option, as uWSGI's add_exported_option does: an open block gets it first, then
// it joins the list, and immediate options act at once.
func (r *Reader) add(key, value string) { r.Add(Entry{Key: key, Value: value}) }

// Add adds an option of the command line.
func (r *Reader) Add(e Entry) {
	if r.outcome.stopped || r.forbidden(e.Key) || r.logic.took(r, e) {
		return
	}
	r.append(e)
}

// addLine adds an option as it stands in a file, with marks around names.
func (r *Reader) addLine(l line) {
	key, _ := unmark(l.key)
	value, names := unmark(l.value)
	r.position.names, r.position.listed = names, l.listed
	r.add(key, value)
	r.position.names, r.position.listed = nil, false
}

// append adds an option to the list and acts on it.
func (r *Reader) append(e Entry) {
	e.Origin, e.Tenant, e.Shared, e.names, e.Listed = r.position.at, r.position.tenant, r.position.shared, r.position.names, r.position.listed
	i := len(r.list.entries)
	r.list.size += len(e.Value)
	if i >= maxEntries || r.list.size > MaxFile {
		r.limit(e.Key, fmt.Sprintf("there are more than %d options, or more than 2 MiB of them", maxEntries), "does a file include itself?")
		return
	}
	r.list.entries = append(r.list.entries, e)
	if _, again := r.list.first[e.Key]; !again {
		r.list.first[e.Key] = i
	}
	if !e.final {
		done, own := r.immediate(i, e)
		r.list.entries[i].final, r.list.entries[i].Handled = done, own
	}
}

// lookup returns the value of a key for a placeholder: the value of its first entry.
func (r *Reader) lookup(key string) (string, bool) {
	i, ok := r.list.first[key]
	if !ok {
		return "", false
	}
	if r.list.entries[i].asked = true; r.list.entries[i].Bare {
		return "", false
	}
	r.position.names = r.position.names.with(r.list.entries[i].names)
	return r.list.entries[i].Value, true
}

// immediate acts on the options that uWSGI acts on while it reads. done: it is one of them, so
// that no pass expands its value. own: the table has nothing left to do.
func (r *Reader) immediate(i int, e Entry) (done, own bool) {
	switch e.Key {
	case "ini", "yaml", "yml":
		r.load(e.Key, e.Value)
	case "xml", "xmlconfig", "json", "js": // uWSGI cuts the section off in place
		r.list.entries[i].Value, _, _ = splitSection(e.Value)
		r.load(e.Key, e.Value)
	case "include":
		r.template(i, e)
	case "config":
		r.problem(e.Key, fmt.Sprintf("cannot load %q: there are no configuration plugins", e.Value), "name the format: ini, yaml, json or xml")
	case "inject-before", "inject-after":
		r.inject(e.Key, e.Value)
	case "set":
		if key, value, ok := strings.Cut(e.Value, "="); ok {
			r.Add(Entry{Key: key, Value: value})
		} else {
			r.problem(e.Key, fmt.Sprintf("%q sets nothing", e.Value), "key=value")
		}
	case "set-placeholder", "set-ph", "resolve":
		r.placeholder(e)
	case "declare-option", "declare-option2":
		r.declare(e)
	case "blacklist":
		r.keys.forbid = strings.Fields(e.Value)
	case "whitelist":
		r.keys.allow = strings.Fields(e.Value)
	case "end-blacklist":
		r.keys.forbid = nil
	case "end-whitelist":
		r.keys.allow = nil
	case "exit":
		r.problem(e.Key, "the configuration asks not to be used", "")
	case "ienv":
		if r.position.tenant { // it would change $(…) in templates
			r.problem(e.Key, "not permitted in a tenant's own file", "permitted in the operator's templates")
		} else {
			r.variables.setenv(e.Value)
		}
	case "show-config":
		return false, true
	default:
		if b, ok := blockOf(e.Key); ok {
			r.begin(e, b)
			return true, true
		}
		if template, ok := r.declarations.declared[e.Key]; ok {
			r.expand(i, r.list.entries[i], template)
			return true, true
		}
		if isEnd(e.Key) { // uWSGI has no option `end`, but it ends a block
			return e.Key != "end", true
		}
		return r.options.AtOnce(e.Key), false
	}
	return true, true
}

// template includes or inherits a file, with the magic variables that were chosen for it.
func (r *Reader) template(i int, e Entry) {
	if pin := r.files.pins[i]; pin != nil {
		before := r.magic
		r.magic = *pin
		defer func() { r.magic = before }()
	}
	r.include(e.Key, e.Value)
}

// placeholder adds an entry that only placeholders see.
func (r *Reader) placeholder(e Entry) {
	key, value, ok := strings.Cut(e.Value, "=")
	switch {
	case !ok:
		r.problem(e.Key, fmt.Sprintf("%q sets nothing", e.Value), "name=value")
		return
	case e.Key == "resolve":
		ip, err := r.resolve(value)
		if err != nil {
			r.failed(e.Key, err)
			return
		}
		value = ip
	}
	if r.options.Known(key) {
		r.problem(e.Key, fmt.Sprintf("%q is an option and cannot be a placeholder", key), "set "+key+"=value sets it")
		return
	}
	r.Add(Entry{Key: key, Value: value, final: true, Handled: true})
}

// forbidden reports, and records, that a key may not stand here.
func (r *Reader) forbidden(key string) bool {
	same := func(s string) bool { return strings.EqualFold(s, key) }
	switch {
	case r.keys.forbid != nil && slices.ContainsFunc(r.keys.forbid, same):
		r.problem(key, "the option is on the blacklist", "")
	case r.keys.allow != nil && !slices.ContainsFunc(r.keys.allow, same):
		r.problem(key, "the option is not on the whitelist", "end-whitelist must be on it as well")
	default:
		return false
	}
	return true
}

// Finish runs the last steps of uWSGI after all sources are read, the passes and then the
// options that add further ones, and returns the result.
func (r *Reader) Finish() Result {
	r.list.used = append(r.list.used, references(r.list.entries)...)
	r.expandAll()
	list := r.apply()
	r.list.used = append(r.list.used, references(list)...) // no pass expands inherited options
	for _, e := range list {
		if e.asked {
			r.list.used = append(r.list.used, e.Key)
		}
	}
	return Result{
		Name: r.magic.vars['S'], Entries: list, Written: r.list.entries, Used: r.list.used, Variables: r.variables.reads, Nested: r.outcome.nested,
		Warnings: r.outcome.warnings, Problems: r.outcome.problems, Partial: r.outcome.partial, Empty: r.outcome.empty,
		Expression: r.permissions.expression(),
	}
}

// apply opens inherited files, which extend the list at its end, and then adds the options of
// declared ones that were met before their declaration.
func (r *Reader) apply() []Entry {
	for i := 0; i < len(r.list.entries) && !r.outcome.stopped; i++ {
		if e := r.list.entries[i]; e.Key == "inherit" && !e.Handled {
			r.list.entries[i].final, r.list.entries[i].Handled = true, true
			r.position.at, r.position.tenant, r.position.shared, r.position.names = e.Origin, e.Tenant, e.Shared, e.names
			r.template(i, e)
		}
	}
	if len(r.declarations.declared) == 0 {
		return r.list.entries
	}
	list := slices.Clip(r.declarations.early)
	for i, e := range r.list.entries {
		template, declared := r.declarations.declared[e.Key]
		if declared && !e.final && !e.Handled {
			r.list.entries[i].Handled = true
			list = append(list, r.list.entries[i])
			list = append(list, expandDeclared(e, template)...)
			continue
		}
		list = append(list, e)
	}
	return list
}

// references lists the words in all placeholders, `%(a + b)`, of values that are not expanded
// yet, and the options of conditions.
func references(entries []Entry) []string {
	var words []string
	for _, e := range entries {
		if e.Key == "if-opt" || e.Key == "if-not-opt" {
			option, _, _ := strings.Cut(e.Value, "=")
			words = append(words, option)
		}
		for rest := e.Value; ; {
			_, after, ok := strings.Cut(rest, "%(")
			if !ok {
				break
			}
			inside, _, _ := strings.Cut(after, ")")
			words = append(words, strings.Fields(inside)...)
			rest = after
		}
	}
	return words
}
