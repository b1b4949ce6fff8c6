package emperor

import (
	"path/filepath"
	"strconv"

	"github.com/emperor-go/emperor/pkg/wire"
)

// Foreign is how vassals become another program of the operator's, which speaks
// uWSGI's protocol. The zero value means that they do not.
type Foreign struct {
	// Override, Wrapper and Fallback are the programs, in the order in which they
	// are tried: the first that can be executed is.
	Override []string
	Wrapper  string
	Fallback []string
	// WrapperAttr and ChdirAttr name the attributes of a vassal that say which
	// program it becomes instead of Wrapper, and where. Empty: none do.
	WrapperAttr, ChdirAttr string
	// Before and After are options that stand before and behind the one that
	// names the configuration.
	Before, After []string
}

// None reports whether vassals stay what they are.
func (f Foreign) None() bool {
	return len(f.Override)+len(f.Fallback) == 0 && f.Wrapper == "" && f.WrapperAttr == ""
}

// Becomes reports whether a vassal with these attributes becomes another program,
// if there is one to become.
func (f Foreign) Becomes(attributes map[string]string) bool {
	return len(f.Override)+len(f.Fallback) > 0 || f.Wrapper != "" || f.WrapperAttr != "" && attributes[f.WrapperAttr] != ""
}

// programFor is what one vassal becomes; nil when it stays what it is.
func (s *System) programFor(p Plan) *wire.Program {
	f := s.Foreign
	paths := append([]string{}, f.Override...)
	switch {
	case f.WrapperAttr != "" && p.Attributes[f.WrapperAttr] != "":
		paths = append(paths, p.Attributes[f.WrapperAttr])
	case f.Wrapper != "":
		paths = append(paths, f.Wrapper)
	case len(paths)+len(f.Fallback) > 0:
		paths = append(paths, "") // stay what it is
	}
	if paths = append(paths, f.Fallback...); len(paths) == 0 {
		return nil
	}
	program := &wire.Program{Paths: paths, Keep: []int{pipeFD, configFD}}
	for _, a := range append(append(append([]string{}, f.Before...), configArgs(p)...), f.After...) {
		program.Args = append(program.Args, []byte(a))
	}
	for _, e := range s.foreignEnviron(p) {
		program.Env = append(program.Env, []byte(e))
	}
	if f.ChdirAttr != "" {
		program.Dir = p.Attributes[f.ChdirAttr]
	}
	return program
}

// configArgs names the configuration, whose bytes come over the config socket,
// as uWSGI does: the option follows the extension.
func configArgs(p Plan) []string {
	file := p.Name
	name := "emperor://" + file
	if p.Zerg > 0 {
		file = p.Of
		name = "emperor://" + file + ":zerg"
	}
	switch filepath.Ext(file) {
	case ".xml":
		return []string{"--xml", name}
	case ".yml", ".yaml":
		return []string{"--yaml", name}
	case ".js", ".json":
		return []string{"--json", name}
	case ".ini":
		return []string{"--ini", name}
	}
	return []string{"--config", name}
}

// foreignEnviron is what uWSGI gives a vassal.
func (s *System) foreignEnviron(p Plan) []string {
	env := append(s.passedOn(false),
		wire.PipeEnv+"="+strconv.Itoa(pipeFD), wire.ConfigEnv+"="+strconv.Itoa(configFD))
	if p.Zerg > 0 {
		env = append(env, "UWSGI_BROODLORD_NUM="+strconv.Itoa(p.Zerg))
	}
	return env
}
