package config

import (
	"slices"
	"strconv"

	"github.com/emperor-go/emperor/pkg/config/option"
)

// rightsOptions say with which rights vassals begin.
var rightsOptions = option.Rows[Emperor]{
	{
		Name: "emperor-root", Change: option.Reload, Group: "Privileges", Arg: "RULE", Def: "warn", Guard: true,
		Help: "a vassal that would be root because it names no uid: warn, or refuse, which makes it a mistake", Set: setRoot,
	},
}

func setRoot(e *Emperor, v option.Value) error {
	switch v.Text {
	case "warn", "refuse":
		e.RefuseRoot = v.Text == "refuse"
		return nil
	}
	return option.Wrong("unknown rule "+strconv.Quote(v.Text), "warn or refuse")
}

// Unnamed is the problem of a vassal that names no user: under an emperor that is root
// it would be root, and its file does not say that it is meant. ok is false when there
// is none, or when a part was left out or not understood that may name one.
func (v *Vassal) Unnamed(file string) (p Problem, ok bool) {
	if v.UID.Set || v.partial || slices.ContainsFunc(v.entries, func(e entry) bool { return e.key == "uid" && !e.own }) {
		return p, false
	}
	return unnamed(file), true
}

func unnamed(file string) Problem {
	return Problem{Origin: Origin{File: file}, Key: "uid", What: "there is none: the vassal is root", Hint: "uid = USER, or uid = root where that is meant"}
}
