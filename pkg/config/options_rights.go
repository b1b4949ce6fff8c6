package config

import (
	"slices"

	"github.com/emperor-go/emperor/internal/dialect"
	"github.com/emperor-go/emperor/pkg/config/option"
)

// rightsOptions set the rights with which vassals begin.
var rightsOptions = option.Rows[Emperor]{
	{
		Name: "emperor-cap", Aliases: []string{"vassal-cap", "vassals-cap"}, Change: option.Reload, Group: "Privileges", Arg: "CAPABILITY,…", Guard: true,
		Help: "capabilities that vassals and their programs can have from the as-vassal hooks on, and no others, or none (capabilities(7))",
		Into: func(e *Emperor) option.Field { return &e.Capabilities },
	},
	{
		Name: "emperor-root", Change: option.Reload, Group: "Privileges", Arg: "RULE", Def: "warn", Guard: true,
		Help: "a vassal that would be root because it names no uid: warn, or refuse, which makes it a mistake", Set: setRoot,
	},
	{
		Name: "keyring-mode", Group: "Privileges", Arg: "MODE", Def: "private", Guard: true,
		Help: "session keyring of a vassal (session-keyring(7)): private (its own), or inherit (the emperor's)", Set: setKeyring,
	},
	{
		Name: "pass-environment", Group: "Privileges", Arg: "NAME …", Repeat: true,
		Help: "variables that vassals get beside " + passed + ", variables of env, and HOME, USER and LOGNAME of their user; NAME* begins names, and " +
			"* is all, as in uWSGI",
		Into: func(e *Emperor) option.Field { return &e.Pass },
	},

	{
		Name: "env", Group: "Process", Arg: "KEY=VALUE", Repeat: true, Secret: true, Help: "set an environment variable of the emperor and of all vassals",
		Into: func(e *Emperor) option.Field { return (*envSet)(&e.Env) },
	},
	{
		Name: "envdir", Group: "Process", Arg: "DIR", Repeat: true, Help: "set a variable of both for each file in a directory (daemontools)",
		Into: func(e *Emperor) option.Field { return (*envDir)(&e.Env) },
	},
	{
		Name: "unenv", Group: "Process", Arg: "KEY", Repeat: true, Help: "remove an environment variable of both",
		Into: func(e *Emperor) option.Field { return (*envUnset)(&e.Env) },
	},
}

func setKeyring(e *Emperor, v option.Value) error {
	return either(&e.InheritKeyring, v.Text, "mode", "private", "inherit")
}

func setRoot(e *Emperor, v option.Value) error {
	return either(&e.RefuseRoot, v.Text, "rule", "warn", "refuse")
}

// Unnamed returns the problem of a vassal that names no user. Under an emperor that is root it would run as
// root, and its file does not ask for that. ok is false when the vassal names a user, or when a part that was
// skipped or is invalid may name one.
func (v *Vassal) Unnamed(file string) (p Problem, ok bool) {
	if v.UID.Set || v.partial || slices.ContainsFunc(v.entries, func(e dialect.Entry) bool { return e.Key == "uid" && !e.Handled }) {
		return p, false
	}
	return unnamed(file), true
}

func unnamed(file string) Problem {
	return Problem{Origin: Origin{File: file}, Key: "uid", What: "missing, so the vassal runs as root", Hint: "uid = USER, or uid = root if that is intended"}
}
