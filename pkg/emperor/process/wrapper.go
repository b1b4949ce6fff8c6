package process

import (
	"path/filepath"

	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/wire"
)

// Wrappers configures other programs that replace vassals and use uWSGI's protocol. Zero: none.
type Wrappers struct {
	// Override, Wrapper and Fallback are programs, tried in this order. The first that can be
	// executed is used.
	Override []string
	Wrapper  string
	Fallback []string
	// WrapperAttr and ChdirAttr name the attributes of a vassal that set its program instead
	// of Wrapper, and its directory. Empty: none.
	WrapperAttr, ChdirAttr string
	// Before and After are options before and after the option that names the configuration.
	Before, After []string
}

// None reports whether no program replaces vassals.
func (f Wrappers) None() bool {
	return len(f.Override)+len(f.Fallback) == 0 && f.Wrapper == "" && f.WrapperAttr == ""
}

// Becomes reports whether a vassal with these attributes executes another program, if that
// exists.
func (f Wrappers) Becomes(attributes map[string]string) bool {
	return len(f.Override)+len(f.Fallback) > 0 || f.Wrapper != "" || f.WrapperAttr != "" && attributes[f.WrapperAttr] != ""
}

// programFor returns the program that replaces a vassal, or nil.
func (l *Launcher) programFor(p emperor.Plan) *wire.Program {
	f := l.Programs.Wrappers
	paths := append([]string{}, f.Override...)
	switch {
	case f.WrapperAttr != "" && p.Attributes[f.WrapperAttr] != "":
		paths = append(paths, p.Attributes[f.WrapperAttr])
	case f.Wrapper != "":
		paths = append(paths, f.Wrapper)
	case len(paths)+len(f.Fallback) > 0:
		paths = append(paths, "") // replace the vassal by no program
	}
	if paths = append(paths, f.Fallback...); len(paths) == 0 {
		return nil
	}
	program := &wire.Program{
		Paths: paths, Before: bytesOf(f.Before), After: bytesOf(f.After), Config: configOf(p), Env: bytesOf(l.Environ.ofWrapper(p)),
		Pipe: pipeFD, Configs: configFD,
	}
	if f.ChdirAttr != "" {
		program.Dir = p.Attributes[f.ChdirAttr]
	}
	return program
}

// bytesOf converts texts, which need not be UTF-8, to bytes.
func bytesOf(texts []string) (list [][]byte) {
	for _, t := range texts {
		list = append(list, []byte(t))
	}
	return list
}

// configOf names the configuration as uWSGI does: the option follows the extension.
func configOf(p emperor.Plan) wire.ProgramConfig {
	c := wire.ProgramConfig{Option: "--config", Name: []byte(p.Name), Printed: p.Printed}
	if p.Zerg.Number > 0 {
		c.Name, c.Section = []byte(p.Zerg.Of), "zerg"
	}
	switch filepath.Ext(string(c.Name)) {
	case ".xml":
		c.Option = "--xml"
	case ".yml", ".yaml":
		c.Option = "--yaml"
	case ".js", ".json":
		c.Option = "--json"
	case ".ini":
		c.Option = "--ini"
	}
	return c
}
