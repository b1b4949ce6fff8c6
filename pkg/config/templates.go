package config

import (
	"fmt"
	"path/filepath"

	"github.com/emperor-go/emperor/internal/dialect"
)

// TemplateFiles are the paths of Templates.
type TemplateFiles struct {
	InheritBefore, IncludeBefore []string
	Set                          []string
	Inherit, Include             []string
	VassalMagic                  bool
}

// None reports whether the list is empty.
func (f TemplateFiles) None() bool {
	return len(f.InheritBefore)+len(f.IncludeBefore)+len(f.Set)+len(f.Inherit)+len(f.Include) == 0
}

// Bound calls read, which reads the file at path, and may return before read does.
type Bound func(path string, read func() ([]byte, error)) ([]byte, error)

// Read reads the files, each with the time limit of bound; nil: without a limit. Relative names
// start at dir, the directory of the vassal, as in a vassal that reads its templates itself.
func (f TemplateFiles) Read(dir string, bound Bound) (t Templates, err error) {
	if bound == nil {
		bound = func(_ string, read func() ([]byte, error)) ([]byte, error) { return read() }
	}
	t.VassalMagic = f.VassalMagic
	for _, option := range f.Set {
		t.Set = append(t.Set, []byte(option))
	}
	for _, part := range []struct {
		names []string
		into  *[]Template
	}{{f.InheritBefore, &t.InheritBefore}, {f.IncludeBefore, &t.IncludeBefore}, {f.Inherit, &t.Inherit}, {f.Include, &t.Include}} {
		for _, name := range part.names {
			path := name
			if !filepath.IsAbs(path) {
				path = filepath.Join(dir, name)
			}
			data, err := bound(path, func() ([]byte, error) { return dialect.ReadFile(path) })
			if err != nil {
				return Templates{}, fmt.Errorf("template: %w", err)
			}
			*part.into = append(*part.into, Source{Name: name, Path: path, Data: data}.Template())
		}
	}
	return t, nil
}
