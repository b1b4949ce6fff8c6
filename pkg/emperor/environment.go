package emperor

import (
	"slices"
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/pkg/wire"
)

// procsKey is how many threads of a Go program run at a time (runtime).
const procsKey = "GOMAXPROCS"

// VassalEnviron returns what of an emperor's environment is for vassals at all: all but
// what belongs to one process, and UWSGI_VASSAL_X as UWSGI_X, which is the option x, as
// in uWSGI.
func VassalEnviron(environ []string) []string {
	var vars []string
	for _, v := range environ {
		key, _, _ := strings.Cut(v, "=")
		switch {
		case strings.HasPrefix(key, optionOfVassals):
			vars = append(vars, optionPrefix+strings.TrimPrefix(v, optionOfVassals))
		case strings.HasPrefix(key, optionPrefix), strings.HasPrefix(key, "EMPEROR_"), strings.HasPrefix(key, "LISTEN_"),
			strings.HasPrefix(key, "WATCHDOG_"), key == "NOTIFY_SOCKET":
		default:
			vars = append(vars, v)
		}
	}
	return vars
}

// The beginnings of variables that are options, of a program of uWSGI's and of those
// that it starts.
const (
	optionPrefix    = "UWSGI_"
	optionOfVassals = "UWSGI_VASSAL_"
)

// passes reports whether vassals get a variable of VassalEnviron.
func (s *System) passes(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	return s.Passes == nil || strings.HasPrefix(name, optionPrefix) || s.Passes(name)
}

// vassalEnviron is the environment of our vassal program. It finds the operator's
// GOMAXPROCS under another name.
func (s *System) vassalEnviron() []string {
	vars := slices.DeleteFunc(VassalEnviron(s.Environ), func(v string) bool { return !s.passes(v) })
	for i, v := range vars {
		if strings.HasPrefix(v, procsKey+"=") {
			vars[i] = wire.ProcsEnv + strings.TrimPrefix(v, procsKey)
		}
	}
	return append(vars, procsKey+"=1", wire.PipeEnv+"="+strconv.Itoa(pipeFD), wire.OrderEnv+"="+strconv.Itoa(orderFD))
}

// foreignEnviron is the environment of a program that takes a vassal's place. It reads
// the configuration itself, so that it has what that names, too.
func (s *System) foreignEnviron(p Plan) []string {
	vars := slices.DeleteFunc(VassalEnviron(s.Environ), func(v string) bool { return !s.passes(v) && !p.reads(v) })
	vars = append(vars, wire.PipeEnv+"="+strconv.Itoa(pipeFD))
	if p.Zerg > 0 {
		vars = append(vars, "UWSGI_BROODLORD_NUM="+strconv.Itoa(p.Zerg))
	}
	return vars
}

// heldBack is what a vassal does not get and has to know while it reads its
// configuration: what that names, and all of it where the emperor does not see the whole
// configuration, or where hooks of the operator run inside.
func (s *System) heldBack(p Plan, hooks bool) []string {
	return slices.DeleteFunc(VassalEnviron(s.Environ), func(v string) bool {
		return s.passes(v) || !hooks && !p.ReadsMore && !p.reads(v)
	})
}

// reads reports whether the configuration names a variable.
func (f Facts) reads(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	return slices.Contains(f.Reads, name)
}
