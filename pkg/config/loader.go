package config

import (
	"errors"
	"slices"

	"github.com/emperor-go/emperor/internal/assist"
	"github.com/emperor-go/emperor/internal/dialect"
	"github.com/emperor-go/emperor/internal/dialect/foreign"
	"github.com/emperor-go/emperor/internal/uwsginames"
)

// Source is a configuration.
type Source = dialect.Source

// Templates are the operator's texts before and after the file of each vassal.
type Templates = dialect.Templates

// Template is the text of one file.
type Template = dialect.Template

// Permissions list the resources that a configuration may use while it is read.
type Permissions = dialect.Permissions

// A Parser parses the text of a YAML or XML configuration. An error of type *Problem may have a line.
type Parser = foreign.Parser

// A Block is the content of one name of such a text: a key of YAML, or an element of XML.
type Block = foreign.Block

// A Line is an option of a block, and its position.
type Line = foreign.Line

// Means look up host names, get pages over http and match regular expressions for a configuration. The
// zero value does none of it: a value that needs it is a mistake.
type Means = assist.Means

// MaxFile is the size of the largest configuration, in bytes.
const MaxFile = dialect.MaxFile

// FullPermissions returns all permissions, for a program that reads its own configuration. parser
// reads YAML and XML; nil: these formats are errors. means ask other hosts.
func FullPermissions(parser Parser, means Means) Permissions {
	return dialect.FullPermissions(parser, means)
}

// Extensions returns the file name extensions of all formats, as in uWSGI.
func Extensions() []string { return dialect.Extensions() }

// Loader reads configurations. The zero value uses only the text itself.
type Loader struct {
	Permissions Permissions
	// Templates surround the file of a vassal.
	Templates Templates
	// OwnIDs: the emperor has chosen the ids of the vassal's user namespace for the user and groups that
	// it has read.
	OwnIDs bool
	// Allow are options of before the drop that the file of a tenant may contain.
	Allow []string
	// First is the first reading of a tenant's vassal. Nil: the loader makes it itself, with the same
	// permissions.
	First *Vassal
}

// ParseVassal reads a vassal's configuration. An error is of type Problems and has all mistakes.
// Warnings come with either result. ParseVassal opens nothing and does not block, so the text of
// a tenant is safe for it. It leaves out parts that need other resources.
func ParseVassal(src Source) (v *Vassal, warnings Problems, err error) {
	return Loader{Permissions: Permissions{Partial: true}}.Vassal(src)
}

// Vassal reads a vassal's configuration like ParseVassal, with the permissions of the loader.
func (l Loader) Vassal(src Source) (*Vassal, Problems, error) {
	if src.Tenant {
		v, warnings, problems := l.ExamineVassal(src)
		return v, warnings, problems.Err()
	}
	v, warnings, err := decodeVassal(src.Path, l.read(src), l.Permissions.Held)
	if err == nil && !l.Permissions.Partial && (l.OwnIDs || early(v.entries)) {
		l.Permissions = Permissions{Dir: l.Permissions.Dir, Environ: l.Permissions.Environ, Partial: true, Foreign: l.Permissions.Foreign, Means: l.Permissions.Means}
		err = v.unseen(l.read(src).Entries, l.OwnIDs).Err()
	}
	return v, warnings, err
}

// ExamineVassal reads a vassal's configuration like Vassal. It returns the valid options next to
// the sorted mistakes, for further checks only.
func (l Loader) ExamineVassal(src Source) (v *Vassal, warnings, problems Problems) {
	read := l.read(src)
	if src.Tenant {
		read.Entries = strictLast(read.Entries)
		l.permit(read.Entries)
	}
	v, warnings, problems = examine(src.Path, read, l.Permissions.Held)
	if src.Tenant {
		l.compare(src, v, &problems)
	}
	_ = problems.Err()
	return v, warnings, problems
}

// compare compares the full reading of a tenant's vassal with the first one.
func (l Loader) compare(src Source, v *Vassal, problems *Problems) {
	first := l.First
	if first == nil {
		l.Permissions.Recall = nil
		var err error
		if first, _, err = l.Operator(src); err != nil {
			wrong, _ := errors.AsType[Problems](err)
			for _, p := range wrong {
				if !slices.Contains(*problems, p) {
					*problems = append(*problems, p)
				}
			}
			return
		}
	}
	if len(*problems) == 0 {
		unlike(first.entries, v.entries, problems)
	}
}

// read reads the file of a vassal and the templates around it.
func (l Loader) read(src Source) dialect.Result {
	r := newReader(l.Permissions, "vassal")
	if src.Tenant {
		presets(r)
	}
	r.Load(src, l.Templates)
	return r.Finish()
}

// newReader returns a reader that knows the options of all programs.
func newReader(p Permissions, section string) *dialect.Reader {
	return dialect.New(dialect.Options{Known: anyOption, AtOnce: uwsginames.AtOnce, NamesPlugins: uwsginames.NamesPlugins, Around: around}, p, section)
}

// around names the options that give Templates.
var around = dialect.Places{Set: "vassal-set", Inherit: "vassals-inherit", Include: "vassals-include"}

// decodeVassal decodes a vassal's options.
func decodeVassal(file string, r dialect.Result, held bool) (*Vassal, Problems, error) {
	v, warnings, problems := examine(file, r, held)
	if err := problems.Err(); err != nil {
		return nil, warnings, err
	}
	return v, warnings, nil
}

// examine decodes the valid options of a vassal.
func examine(file string, r dialect.Result, held bool) (v *Vassal, warnings, problems Problems) {
	checkNested(&r)
	v = defaultVassal()
	v.Name = r.Name
	v.entries = r.Entries
	v.partial, v.reads, v.unread = r.Partial, r.Variables, len(r.Problems) > 0 || r.Empty
	warnings, problems, rest := vassalOptions.decode(v.entries, r, v)
	unsure := doubts{unread: len(r.Problems) > 0, options: rest.wrong}
	warnings, problems = append(r.Warnings, warnings...), append(r.Problems, problems...)
	unused := review{v, &warnings}
	unused.loggers()
	if r.Partial {
		return v, warnings, problems
	}
	v.held = held
	v.check(file, unsure, &warnings, &problems)
	if len(problems) == 0 {
		unused.withoutStats()
		unused.withoutServer()
		unused.unlimited()
		unused.withoutWorkers()
		unused.withoutBackend()
		unused.withoutProxies()
	}
	rest.report(&warnings)
	return v, warnings, problems
}
