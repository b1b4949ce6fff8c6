package config

import (
	"fmt"
	"path/filepath"
)

// Templates are the operator's text around the file of each vassal. They have the order of
// uWSGI's Emperor: InheritBefore, IncludeBefore, Set, the file, Inherit, Include. An include
// stands at its place; inherited options count after everything else, and of two values of an
// option the last one counts. A placeholder takes the first.
type Templates struct {
	InheritBefore, IncludeBefore []Source
	// Set are options, each key=value.
	Set              []string
	Inherit, Include []Source
	// VassalMagic: magic variables in templates describe the vassal's file. Otherwise, as in
	// uWSGI, lowercase ones describe the template, and uppercase ones the vassal's file only
	// in text that is read after it.
	VassalMagic bool
}

// TemplateFiles are Templates by the names of their files.
type TemplateFiles struct {
	InheritBefore, IncludeBefore []string
	Set                          []string
	Inherit, Include             []string
	VassalMagic                  bool
}

// None reports whether there are none.
func (f TemplateFiles) None() bool {
	return len(f.InheritBefore)+len(f.IncludeBefore)+len(f.Set)+len(f.Inherit)+len(f.Include) == 0
}

// Bound calls read, which reads the file at a path, and need not wait for its end.
type Bound func(path string, read func() ([]byte, error)) ([]byte, error)

// Read reads the files, each within bound; nil: without a limit. Relative names start at dir,
// the directory of the vassal, as for a vassal that reads them itself.
func (f TemplateFiles) Read(dir string, bound Bound) (t Templates, err error) {
	if bound == nil {
		bound = func(_ string, read func() ([]byte, error)) ([]byte, error) { return read() }
	}
	t.Set, t.VassalMagic = f.Set, f.VassalMagic
	for _, part := range []struct {
		names []string
		into  *[]Source
	}{{f.InheritBefore, &t.InheritBefore}, {f.IncludeBefore, &t.IncludeBefore}, {f.Inherit, &t.Inherit}, {f.Include, &t.Include}} {
		for _, name := range part.names {
			path := name
			if !filepath.IsAbs(path) {
				path = filepath.Join(dir, name)
			}
			data, err := bound(path, func() ([]byte, error) { return readFile(path) })
			if err != nil {
				return Templates{}, fmt.Errorf("template: %w", err)
			}
			*part.into = append(*part.into, Source{Name: name, Path: path, Data: data})
		}
	}
	return t, nil
}
