package config

import (
	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// servingOptions select the program that runs after the boot.
var servingOptions = option.Rows[Vassal]{
	{
		Name: "chdir", Group: "Serving", Arg: "DIR", Tyrant: true, Change: option.Reload, Help: "working directory of the programs that serve",
		Set: func(v *Vassal, t option.Value) error { v.Chdir = t.Text; return nil },
	},
	{
		Name: "command", Group: "Serving", Arg: "PROGRAM ARGS…", Tyrant: true, Change: option.Reload,
		Help: "run this program with the sockets (LISTEN_FDS), and restart it when it dies",
		Once: true, Misreads: hooks.MisreadWords, Into: func(v *Vassal) option.Field { return (*option.Words)(&v.Command) },
	},
	{
		Name: "env", Group: "Serving", Arg: "KEY=VALUE", Repeat: true, Tyrant: true, Secret: true, Change: option.Reload,
		Help: "set an environment variable", Into: func(v *Vassal) option.Field { return (*envSet)(&v.Env) },
	},
	{
		Name: "envdir", Group: "Serving", Arg: "DIR", Repeat: true, Tyrant: true, Change: option.Reload,
		Help: "set a variable for each file in a directory (daemontools)",
		Into: func(v *Vassal) option.Field { return (*envDir)(&v.Env) },
	},
	{
		Name: "fallback-config", Group: "Serving", Arg: "FILE", Help: "start again with this file instead of failing with exit code 1",
		Into: func(v *Vassal) option.Field { return (*option.Text)(&v.Fallback) },
	},
	{
		Name: "privileged-binary-patch", Group: "Serving", Arg: "PROGRAM",
		Help: "execute this program, with all privileges; in a pid namespace the vassal stays as process 1 and supervises it",
		Set: func(v *Vassal, t option.Value) error {
			v.RootPatch = []string{t.Text}
			return nonempty(t.Text, "no program given")
		},
	},
	{
		Name: "privileged-binary-patch-arg", Group: "Serving", Arg: "PROGRAM ARGS…",
		Help:     "execute this program with arguments, with all privileges; in a pid namespace the vassal stays as process 1 and supervises it",
		Misreads: hooks.MisreadWords, Into: func(v *Vassal) option.Field { return (*option.Words)(&v.RootPatch) },
	},
	{
		Name: "privileged-binary-patch-init", Group: "Serving",
		Help: "in a pid namespace that program is process 1; otherwise the vassal is, so that the program cannot outlive a killed emperor. " +
			"Implied by the names init and systemd",
		Into: func(v *Vassal) option.Field { return (*option.Flag)(&v.RootPatchInit) },
	},
	{
		Name: "reload-mercy", Group: "Serving", Arg: "TIME", Def: "60", Tyrant: true, Change: option.Reload,
		Help: "time between asking a worker to stop and killing it",
		Into: func(v *Vassal) option.Field { return (*option.Duration)(&v.ReloadMercy) },
	},
	{
		Name: "unenv", Group: "Serving", Arg: "KEY", Repeat: true, Tyrant: true, Change: option.Reload, Help: "remove an environment variable",
		Into: func(v *Vassal) option.Field { return (*envUnset)(&v.Env) },
	},
	{
		Name: "unprivileged-binary-patch", Group: "Serving", Arg: "PROGRAM", Tyrant: true, Help: "execute this program in place of the vassal",
		Set: func(v *Vassal, t option.Value) error {
			v.BinaryPatch = []string{t.Text}
			return nonempty(t.Text, "no program given")
		},
	},
	{
		Name: "unprivileged-binary-patch-arg", Group: "Serving", Arg: "PROGRAM ARGS…", Tyrant: true,
		Help:     "execute this program with arguments in place of the vassal",
		Misreads: hooks.MisreadWords, Into: func(v *Vassal) option.Field { return (*option.Words)(&v.BinaryPatch) },
	},
}
