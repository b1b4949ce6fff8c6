package process

import (
	"slices"
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/internal/environ"
	"github.com/emperor-go/emperor/internal/goprocs"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/wire"
)

// Environment decides which variables of the emperor programs get.
type Environment struct {
	// Own is the environment of the emperor, which its hooks have.
	Own []string
	// Passes reports whether vassals get a variable of it. Nil: they get all that is not
	// for one process.
	Passes func(name string) bool
}

// passes reports whether vassals get a variable of environ.OfVassals.
func (e *Environment) passes(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	_, option := environ.CutOption(name)
	return e.Passes == nil || option || e.Passes(name)
}

// ofVassals returns the variables that vassals get.
func (e *Environment) ofVassals() []string {
	return slices.DeleteFunc(environ.OfVassals(e.Own), func(v string) bool { return !e.passes(v) })
}

// ofProgram returns the environment of our vassal program.
func (e *Environment) ofProgram() []string {
	return append(goprocs.Vassal(e.ofVassals()), wire.PipeEnv+"="+strconv.Itoa(pipeFD), wire.OrderEnv+"="+strconv.Itoa(orderFD))
}

// ofWrapper returns the environment of a program that replaces a vassal. The program
// reads the configuration itself, so it also gets the variables that the configuration names.
func (e *Environment) ofWrapper(p emperor.Plan) []string {
	vars := slices.DeleteFunc(environ.OfVassals(e.Own), func(v string) bool { return !e.passes(v) && !names(p, v) })
	vars = append(vars, wire.PipeEnv+"="+strconv.Itoa(pipeFD))
	if p.Zerg.Number > 0 {
		vars = append(vars, "UWSGI_BROODLORD_NUM="+strconv.Itoa(p.Zerg.Number))
	}
	return vars
}

// heldBack returns the variables that a vassal does not get but needs to read its
// configuration: the ones that the configuration names, or all when the emperor does not see the
// whole configuration, or when hooks of the operator run inside.
func (e *Environment) heldBack(p emperor.Plan, hooks bool) []string {
	if !hooks && !p.Reads.More && len(p.Reads.Names) == 0 {
		return nil
	}
	return slices.DeleteFunc(environ.OfVassals(e.Own), func(v string) bool {
		return e.passes(v) || !hooks && !p.Reads.More && !names(p, v)
	})
}

// names reports whether a configuration names a variable.
func names(p emperor.Plan, variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	return slices.Contains(p.Reads.Names, name)
}
