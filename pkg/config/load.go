// Package config answers one question: what may be written? It reads uWSGI's ini
// dialect in steps that know nothing of each other: magic variables, lines
// (lex.go), blocks (logic.go), the ordered list of options (reader.go), expansion
// (expand.go), and option tables, which end in plain typed structs.
package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// load acts on `ini = name` and the like: the options of the file come in its
// place in the list.
func (r *reader) load(key, name string) { r.loadAs(key, formatOf(key), name) }

// loadAs does so for another option, such as include, in a format.
func (r *reader) loadAs(key string, kind format, name string) {
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

// include acts on include, and on inherit when the list is complete: the name
// must end as a format does, and the uppercase magic variables do not change.
func (r *reader) include(key, name string) {
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

// fill gives the magic variables what the name says, and reports whether there
// is such a file at all.
func (r *reader) fill(key, file, section string, asked bool) bool {
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

// locate makes the path of %p: symbolic links are followed on the way, but a
// file that is one itself is taken by its name.
func (r *reader) locate(key, file string) (string, error) {
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

// cwd is the working directory as the configuration sees it.
func (r *reader) cwd() (string, error) {
	if r.access.Dir != "" {
		return r.access.Dir, nil
	}
	return os.Getwd()
}

// nest reads a file inside the one that is being read.
func (r *reader) nest(key, file string, read func(path string)) {
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

// read turns text into options, in the order of the text.
func (r *reader) read(kind format, path, text, section string) {
	if r.before != "" || r.after != "" {
		text = r.before + text + r.after
	}
	if kind == formatINI {
		text = strings.TrimPrefix(text, "\ufeff")
	}
	text, numbers, ok := r.magic.substitute(text)
	if !ok {
		r.limit("", "the file is larger than 2 MiB", "is this the right file?")
		return
	}
	var lines []line
	switch kind {
	case formatINI:
		r.ini(path, text, numbers, section)
		return
	case formatJSON:
		lines, ok = r.json(path, text, section)
	default:
		lines, ok = r.foreign(kind, path, text, section)
	}
	if !ok {
		return
	}
	for _, l := range lines {
		if l.number > 0 && l.number <= len(numbers) {
			l.number = numbers[l.number-1]
		}
		r.at = Origin{File: path, Line: l.number}
		if strings.ContainsRune(l.key+l.value, 0) {
			r.problem("", "there is a NUL byte", "no option can have one")
			continue
		}
		r.addLine(l)
	}
}

// ini takes the lines of a section. One that has no line is worth a warning.
func (r *reader) ini(path, text string, numbers []int, section string) {
	lines, found, problems := lex(path, text, numbers)
	r.problems = append(r.problems, problems...)
	any := false
	for _, l := range lines {
		if r.asked(l.section, section) {
			any = true
			r.at = Origin{File: path, Line: l.number}
			r.addLine(l)
		}
	}
	if !any && len(problems) == 0 {
		what := fmt.Sprintf("there is nothing in section %q", section)
		if len(found) > 0 && !slices.Contains(found, section) {
			for i := range found {
				found[i], _ = unmark(found[i])
			}
			what += fmt.Sprintf(", there is %q", found)
		}
		names := []string{section}
		if section == "uwsgi" {
			names = append(names, r.sections...)
		}
		r.empty = true
		r.warnings = append(r.warnings, Problem{
			Origin: Origin{File: path}, What: what, Hint: "options stand under [" + strings.Join(names, "] or [") + "]", meant: anyOption,
		})
	}
}

// asked reports whether a section is the one that is asked for.
func (r *reader) asked(name, section string) bool {
	name, _ = unmark(name)
	return name == section || section == "uwsgi" && slices.Contains(r.sections, name)
}

// inject reads text that is put around each file that is read from here on.
func (r *reader) inject(key, name string) {
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

// splitSection cuts `:section` off the name of a file. The last colon counts, in
// a scheme the last one after the last slash.
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

// Extensions are the ends of file names that tell a format, as in uWSGI.
func Extensions() []string { return []string{".ini", ".xml", ".yaml", ".yml", ".json", ".js"} }

// formatByName tells the format from the end of a name.
func formatByName(name string) (format, bool) {
	if ext := filepath.Ext(name); slices.Contains(Extensions(), ext) {
		return formatOf(ext[1:]), true
	}
	return formatINI, false
}
