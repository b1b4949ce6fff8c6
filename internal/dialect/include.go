package dialect

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// load acts on `ini = name` and similar options: the file's options take its position.
func (r *Reader) load(key, name string) { r.loadAs(key, formatOf(key), name) }

// loadAs does so for another option, such as include, in a format.
func (r *Reader) loadAs(key string, kind format, name string) {
	file, section, asked := splitSection(name)
	if src, ok := r.files.given[name]; ok {
		file, section, asked = name, src.Section, src.Section != ""
	}
	if file == "" && asked {
		if kind != formatINI || r.files.last == "" {
			r.problem(key, fmt.Sprintf("%q: no file was read that could have the section", name), "write file.ini:section")
			return
		}
		if !r.magic.pinned {
			r.magic.named("")
			r.magic.section(section)
		}
		file = r.files.last
	} else if !r.fill(key, file, section, asked) {
		return
	}
	data, err := r.content(key, file)
	if err != nil {
		r.failed(key, err)
		return
	}
	if kind == formatINI {
		r.files.last = file
	}
	if src, ok := r.files.given[file]; ok && src.Tenant && r.files.withheld {
		return
	}
	if section == "" && kind != formatXML {
		section = "uwsgi"
	}
	r.nest(key, file, func(path string) {
		s := sectionReader{reader: r, kind: kind, path: path, section: section}
		s.read(string(data))
	})
}

// Include reads a file that stands alone on the command line.
func (r *Reader) Include(name string) { r.include("", name) }

// include acts on include, and on inherit when the list is complete: the name must have the
// extension of a format, and the uppercase magic variables do not change.
func (r *Reader) include(key, name string) {
	format, ok := formatByName(name)
	if !ok {
		r.problem(key, fmt.Sprintf("cannot recognize the format of %q", name), "the name must end in .ini, .yaml, .yml, .json, .js or .xml, without a section")
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
	path := r.files.given[file].Path
	if path == "" {
		var err error
		if path, err = recalled(r, "place "+file, func() (string, error) { return r.locate(key, file) }); err != nil {
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
	if unix.Lstat(r.permissions.path(file), &s) == nil && s.Mode&unix.S_IFMT == unix.S_IFLNK {
		if strings.HasPrefix(file, "/") {
			return file, nil
		}
		cwd, err := r.permissions.cwd()
		return cwd + "/" + file, err
	}
	path, err := r.permissions.absolute(file)
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

// nest reads a file inside the current one.
func (r *Reader) nest(key, file string, read func(path string)) {
	path := file
	if src, ok := r.files.given[file]; ok {
		path = src.Path
	} else if abs, err := r.permissions.absolute(file); err == nil && r.magic.vars['o'] == file && r.magic.vars['p'] != "" &&
		file != "-" && !strings.Contains(file, "://") {
		path = abs
	}
	if len(r.files.open) == maxDepth {
		what := fmt.Sprintf("files include each other more than %d deep", maxDepth)
		if slices.Contains(r.files.open, path) {
			what = fmt.Sprintf("%q includes itself", file)
		}
		r.limit(key, what, "")
		return
	}
	at, tenant := r.position.at, r.position.tenant
	r.files.open = append(r.files.open, path)
	r.position.tenant = tenant || r.files.given[file].Tenant || foreignTo(r, file)
	read(path)
	r.files.open = r.files.open[:len(r.files.open)-1]
	r.position.at, r.position.tenant = at, tenant
}

// foreignTo reports whether a file that the operator's text names speaks for its owner: other users than
// root decide about it, and this process has the rights of a tenant.
func foreignTo(r *Reader, file string) bool {
	if _, given := r.files.given[file]; given || !r.permissions.Owner {
		return false
	}
	f, err := namespaces.OpenTrusted(r.permissions.path(file))
	if err == nil {
		f.Close()
	}
	return errors.Is(err, namespaces.ErrForeign)
}

// inject reads text that is put around each file that is read from here on.
func (r *Reader) inject(key, name string) {
	data, err := r.content(key, name)
	if err != nil {
		r.failed(key, err)
		return
	}
	into := &r.files.before
	if key == "inject-after" {
		into = &r.files.after
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
