package dialect

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/problem"
)

// load acts on `ini = name` and similar options: the file's options take its position.
func (r *Reader) load(key, name string) { r.loadAs(key, formatOf(key), name) }

// loadAs does so for another option, such as include, in a format.
func (r *Reader) loadAs(key string, kind format, name string) {
	file, section, asked := splitSection(name)
	if src, ok := r.given[name]; ok {
		file, section, asked = name, src.Section, src.Section != ""
	}
	if file == "" && asked {
		if kind != formatINI || r.last == "" {
			r.problem(key, fmt.Sprintf("%q: no file was read that could have the section", name), "write file.ini:section")
			return
		}
		if !r.magic.pinned {
			r.magic.named("")
			r.magic.section(section)
		}
		file = r.last
	} else if !r.fill(key, file, section, asked) {
		return
	}
	data, err := r.content(key, file)
	if err != nil {
		r.failed(key, err)
		return
	}
	if kind == formatINI {
		r.last = file
	}
	if section == "" && kind != formatXML {
		section = "uwsgi"
	}
	r.nest(key, file, func(path string) { r.read(kind, path, string(data), section) })
}

// Include reads a file that stands alone on the command line.
func (r *Reader) Include(name string) { r.include("", name) }

// include acts on include, and on inherit when the list is complete: the name must have the
// extension of a format, and the uppercase magic variables do not change.
func (r *Reader) include(key, name string) {
	format, ok := formatByName(name)
	if !ok {
		r.problem(key, fmt.Sprintf("cannot tell what %q is", name), "the name must end in .ini, .yaml, .yml, .json, .js or .xml, without a section")
		return
	}
	held := r.magic.held
	r.magic.held = true
	r.loadAs(key, format, name)
	r.magic.held = held
}

// fill sets the magic variables from the name, and reports whether the file exists.
func (r *Reader) fill(key, file, section string, asked bool) bool {
	if r.magic.pinned {
		return true
	}
	scheme, _, ok := strings.Cut(file, "://")
	r.magic.named(file)
	if file == "-" || ok && isScheme(scheme) {
		if asked {
			r.magic.section(section)
		}
		return true
	}
	path := r.given[file].Path
	if path == "" {
		var err error
		if path, err = r.locate(key, file); err != nil {
			r.failed(key, err)
			return false
		}
	}
	r.magic.section(section)
	r.magic.file(path)
	r.magic.hold()
	return true
}

// locate returns the path of %p: directories are resolved through symbolic links, but a file
// that is a link keeps its name.
func (r *Reader) locate(key, file string) (string, error) {
	if !r.allowed(needFiles, key) {
		return "", errLeftOut
	}
	var s unix.Stat_t
	if unix.Lstat(r.path(file), &s) == nil && s.Mode&unix.S_IFMT == unix.S_IFLNK {
		if strings.HasPrefix(file, "/") {
			return file, nil
		}
		cwd, err := r.cwd()
		return cwd + "/" + file, err
	}
	path, err := r.absolute(file)
	if err == nil && file == "" {
		err = os.ErrNotExist
	}
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return "", cannot("open", file, err)
	}
	return path, nil
}

// cwd returns the working directory as the configuration sees it.
func (r *Reader) cwd() (string, error) {
	if r.permissions.Dir != "" {
		return r.permissions.Dir, nil
	}
	return os.Getwd()
}

// nest reads a file inside the current one.
func (r *Reader) nest(key, file string, read func(path string)) {
	path := file
	if src, ok := r.given[file]; ok {
		path = src.Path
	} else if abs, err := r.absolute(file); err == nil && r.magic.vars['o'] == file && r.magic.vars['p'] != "" && file != "-" && !strings.Contains(file, "://") {
		path = abs
	}
	if len(r.open) == maxDepth {
		what := fmt.Sprintf("files include each other more than %d deep", maxDepth)
		if slices.Contains(r.open, path) {
			what = fmt.Sprintf("%q includes itself", file)
		}
		r.limit(key, what, "")
		return
	}
	at, tenant := r.at, r.tenant
	r.open = append(r.open, path)
	r.tenant = tenant || r.given[file].Tenant
	read(path)
	r.open = r.open[:len(r.open)-1]
	r.at, r.tenant = at, tenant
}

// read converts text to options, in the order of the text.
func (r *Reader) read(kind format, path, text, section string) {
	if r.before != "" || r.after != "" {
		text = r.before + text + r.after
	}
	if name := wide(text); name != "" && kind != formatYAML { // YAML may be UTF-16
		r.at = problem.Origin{File: path, Line: 1}
		r.problem("", "the text is "+name, "iconv -f "+name+" -t UTF-8")
		return
	}
	text = withoutMark(text)
	text, numbers, strays, ok := r.magic.substitute(text)
	if !ok {
		r.limit("", "the file is larger than 2 MiB", "is this the right file?")
		return
	}
	r.tellStrays(path, strays)
	var lines []line
	switch kind {
	case formatINI:
		r.ini(path, text, numbers, section)
		return
	case formatJSON:
		lines, ok = r.json(path, text, section, numbers)
	default:
		lines, ok = r.foreign(kind, path, text, section, numbers)
	}
	if !ok {
		return
	}
	nested := false
	for _, l := range lines {
		r.at = problem.Origin{File: path, Line: fileLine(l.number, numbers)}
		if strings.ContainsRune(l.key+l.value, 0) {
			r.problem("", "there is a NUL byte", "no option can have one")
			continue
		}
		key, _ := unmark(l.key)
		switch option := r.isOption(key); {
		case l.nests:
			nested = nested || option
			r.nesting(kind, l)
		case nested && !option: // one of the keys inside of an option, which is the mistake
		default:
			r.addLine(l)
		}
	}
}

// withoutMark removes a byte order mark.
func withoutMark(text string) string { return strings.TrimPrefix(text, "\ufeff") }

// wide returns the encoding of a text whose characters have two bytes each, with or without a
// byte order mark. Empty: the text has another encoding.
func wide(text string) string {
	switch {
	case strings.HasPrefix(text, "\xff\xfe"):
		return "UTF-16"
	case strings.HasPrefix(text, "\xfe\xff"):
		return "UTF-16"
	case len(text) < 4 || len(text)%2 != 0:
		return ""
	case text[0] == 0 && text[2] == 0 && text[1] != 0 && text[3] != 0:
		return "UTF-16BE"
	case text[1] == 0 && text[3] == 0 && text[0] != 0 && text[2] != 0:
		return "UTF-16LE"
	}
	return ""
}

// fileLine returns the line of the file for a line of its text, see substitute.
func fileLine(number int, numbers []int) int {
	if number > 0 && number <= len(numbers) {
		return numbers[number-1]
	}
	return number
}

// nesting reports a key with options in it, when the key is itself an option with a value.
func (r *Reader) nesting(kind format, l line) {
	if key, _ := unmark(l.key); r.isOption(key) {
		r.problem(key, "there are keys in it, where a value or a list of values is expected", nestedForm(kind))
	} else if kind == formatJSON {
		r.warnings.Add(r.at, key, "what stands in it is left out", "options stand in one object")
	}
}

// nestedForm returns the form of such an option.
func nestedForm(kind format) string {
	switch kind {
	case formatYAML:
		return "such as env: [A=1, B=2]"
	case formatJSON:
		return `such as "env": ["A=1", "B=2"]`
	}
	return ""
}

// ini takes the lines of a section. It warns about a section without lines, and about lines
// before the first section, which have no effect; options there are a mistake.
func (r *Reader) ini(path, text string, numbers []int, section string) {
	lines, found, problems := lex(path, text, numbers)
	r.problems = append(r.problems, problems...)
	any := false
	r.entries = slices.Grow(r.entries, len(lines))
	for _, l := range lines {
		if r.asked(l.section, section) {
			any = true
			r.at = problem.Origin{File: path, Line: l.number}
			r.addLine(l)
		}
	}
	if len(problems) > 0 {
		return
	}
	i := slices.IndexFunc(lines, func(l line) bool { return l.section == "" })
	switch {
	case i >= 0 && !slices.Contains(found, ""):
		r.empty = r.empty || !any
		what, hint := headless(lines[i], r.titles(section)[0])
		p := problem.Problem{Origin: problem.Origin{File: path, Line: lines[i].number}, What: what, Hint: hint, Meant: problem.Any}
		if slices.ContainsFunc(lines, func(l line) bool { return l.section == "" && r.isOption(l.key) }) {
			r.problems = append(r.problems, p)
		} else {
			r.warnings = append(r.warnings, p)
		}
	case !any:
		r.empty = true
		r.warnings = append(r.warnings, problem.Problem{
			Origin: problem.Origin{File: path}, What: r.nothing(found, section), Hint: "options stand under " + strings.Join(r.titles(section), " or "), Meant: problem.Any,
		})
	}
}

// headless explains a file whose first line is in no section.
func headless(first line, title string) (what, hint string) {
	text := first.key
	switch {
	case strings.HasPrefix(text, "{"):
		return "this is JSON in a file that is read as ini", "mv FILE FILE.json"
	case strings.HasPrefix(text, "<"):
		return "this is XML in a file that is read as ini", "mv FILE FILE.xml"
	case first.value == "" && (text == "uwsgi:" || text == "---" || strings.HasPrefix(text, "- ")):
		return "this is YAML in a file that is read as ini", "mv FILE FILE.yaml"
	}
	return "there is no section header above this line, so that it counts for nothing", "write " + title + " above it"
}

// nothing returns the reason why a section has no option.
func (r *Reader) nothing(found []string, section string) string {
	title := r.titles(section)[0]
	for i := range found {
		found[i], _ = unmark(found[i])
		if r.asked(found[i], section) {
			return "there is nothing under [" + found[i] + "]"
		}
		found[i] = "[" + found[i] + "]"
	}
	switch len(found) {
	case 0:
		return "the file is empty: there is no section " + title
	case 1:
		return fmt.Sprintf("there is no section %s, but %s", title, found[0])
	}
	return fmt.Sprintf("there is no section %s, but %s and %s", title, strings.Join(found[:len(found)-1], ", "), found[len(found)-1])
}

// titles are the headers for options of a section.
func (r *Reader) titles(section string) (list []string) {
	list = []string{"[" + section + "]"}
	if section == "uwsgi" {
		for _, name := range r.sections {
			list = append(list, "["+name+"]")
		}
	}
	return list
}

// asked reports whether a section is the requested one.
func (r *Reader) asked(name, section string) bool {
	name, _ = unmark(name)
	return name == section || section == "uwsgi" && slices.Contains(r.sections, name)
}

// inject reads text that is put around each file that is read from here on.
func (r *Reader) inject(key, name string) {
	data, err := r.content(key, name)
	if err != nil {
		r.failed(key, err)
		return
	}
	into := &r.before
	if key == "inject-after" {
		into = &r.after
	}
	if *into += string(data); len(*into) > MaxFile {
		r.limit(key, "more than 2 MiB are injected", "")
	}
}

// splitSection cuts `:section` off the name of a file. The last colon counts, in a scheme the
// last one after the last slash.
func splitSection(name string) (file, section string, asked bool) {
	from := 0
	if scheme, _, ok := strings.Cut(name, "://"); ok && isScheme(scheme) {
		from = strings.LastIndexByte(name, '/')
	}
	colon := strings.LastIndexByte(name[from:], ':')
	if colon < 0 {
		return name, "", false
	}
	return name[:from+colon], name[from+colon+1:], true
}

// format is a language of configuration files.
type format string

const (
	formatINI  format = "ini"
	formatYAML format = "yaml"
	formatJSON format = "json"
	formatXML  format = "xml"
)

// formatOf is the format that a key loads.
func formatOf(key string) format {
	switch key {
	case "xml", "xmlconfig":
		return formatXML
	case "yaml", "yml":
		return formatYAML
	case "json", "js":
		return formatJSON
	}
	return formatINI
}

// Extensions are the file name extensions of formats, as in uWSGI.
func Extensions() []string { return []string{".ini", ".xml", ".yaml", ".yml", ".json", ".js"} }

// formatByName returns the format of a name's extension.
func formatByName(name string) (format, bool) {
	if ext := filepath.Ext(name); slices.Contains(Extensions(), ext) {
		return formatOf(ext[1:]), true
	}
	return formatINI, false
}
