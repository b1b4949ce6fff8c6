// Package config answers one question: what may be written? It reads uWSGI's ini
// dialect in steps that know nothing of each other, magic variables, lines,
// expansion, option tables, and ends in plain typed structs.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Source is a configuration whose bytes were read once. It is never read again
// by its path.
type Source struct {
	// Name is how it was called: what the magic variable %o says.
	Name string
	// Path is absolute; it serves messages and magic variables.
	Path string
	// Data is the content.
	Data []byte
	// Tenant is true when somebody else than the operator wrote it: only options
	// that a tenant may say are accepted.
	Tenant bool
}

// ParseVassal reads a vassal's configuration. On mistakes the error is Problems
// with all of them. Warnings come with either result. It opens nothing and does
// not block, so it may be used on what a tenant wrote.
func ParseVassal(src Source) (v *Vassal, warnings Problems, err error) {
	entries, problems := read(src, "uwsgi", "vassal")
	return finishVassal(src.Path, entries, problems)
}

func finishVassal(file string, entries []entry, problems Problems) (*Vassal, Problems, error) {
	used := references(entries)
	expand(entries, &problems)
	v := defaultVassal()
	v.entries = entries
	warnings, more := vassalOptions().decode(entries, used, v)
	if problems = append(problems, more...); len(problems) == 0 {
		v.check(file, &problems)
		v.withoutStats(&warnings)
	}
	if err := problems.err(); err != nil {
		return nil, warnings, err
	}
	return v, warnings, nil
}

// read turns one source into entries: those of the sections named.
func read(src Source, sections ...string) ([]entry, Problems) {
	var problems Problems
	if what, hint, number := textual(src.Data); what != "" {
		problems.add(Origin{src.Path, number}, "", what, hint)
		return nil, problems
	}
	text := strings.TrimPrefix(string(src.Data), "\ufeff")
	text, numbers := magic{path: src.Path, name: src.Name}.substitute(text)
	lines, found, problems := lex(src.Path, text, numbers)
	var entries []entry
	for _, l := range lines {
		if slices.Contains(sections, l.section) {
			entries = append(entries, entry{key: l.key, value: l.value, origin: Origin{src.Path, l.number}, tenant: src.Tenant})
		}
	}
	if !slices.ContainsFunc(found, func(s string) bool { return slices.Contains(sections, s) }) {
		what := "there is no section"
		if len(found) > 0 {
			what = fmt.Sprintf("there is no such section among %q", found)
		}
		problems.add(Origin{File: src.Path}, "", what, "options stand under ["+strings.Join(sections, "] or [")+"]")
	}
	return entries, problems
}

// open reads a file of the operator's own.
func open(name string) (Source, error) {
	path, err := filepath.Abs(name)
	if err != nil {
		return Source{}, err
	}
	f, err := os.Open(path)
	if err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return Source{}, fmt.Errorf("cannot open %q: %w", name, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return Source{}, fmt.Errorf("cannot read %q: %w", name, err)
	}
	return Source{Name: name, Path: path, Data: data}, nil
}
