package config

import (
	"strconv"
	"strings"
	"time"
)

// servingOptions say what a vassal does when it has booted.
func servingOptions() table[Vassal] {
	return table[Vassal]{
		{
			name: "chdir", group: "Serving", arg: "DIR", tyrant: true, change: Reload, help: "working directory of what is served",
			set: func(v *Vassal, t value) error { v.Chdir = t.text; return nil },
		},
		{
			name: "command", group: "Serving", arg: "PROGRAM ARGS…", tyrant: true, change: Reload, help: "run this program with the sockets (LISTEN_FDS), again when it dies",
			set: words(func(v *Vassal) *[]string { return &v.Command }),
		},
		{name: "env", group: "Serving", arg: "KEY=VALUE", repeat: true, change: Reload, help: "set an environment variable", set: setEnv},
		{
			name: "envdir", group: "Serving", arg: "DIR", repeat: true, change: Reload, help: "set a variable for each file in a directory (daemontools)",
			set: func(v *Vassal, t value) error {
				v.Env = append(v.Env, EnvChange{Kind: "dir", Key: t.text})
				return nonempty(t.text, "no directory given")
			},
		},
		{
			name: "fallback-config", group: "Serving", arg: "FILE", help: "start again with this file instead of failing with exit code 1",
			set: text(func(v *Vassal) *string { return &v.Fallback }),
		},
		{
			name: "privileged-binary-patch", group: "Serving", arg: "PROGRAM", help: "the vassal becomes this program, with all privileges",
			set: func(v *Vassal, t value) error {
				v.RootPatch = []string{t.text}
				return nonempty(t.text, "no program given")
			},
		},
		{
			name: "privileged-binary-patch-arg", group: "Serving", arg: "PROGRAM ARGS…", help: "the vassal becomes this program with arguments, with all privileges",
			set: words(func(v *Vassal) *[]string { return &v.RootPatch }),
		},
		{
			name: "reload-mercy", group: "Serving", arg: "TIME", def: "60", tyrant: true, change: Reload, help: "time between asking a worker to stop and killing it",
			set: duration(func(v *Vassal) *time.Duration { return &v.ReloadMercy }),
		},
		{
			name: "unenv", group: "Serving", arg: "KEY", repeat: true, change: Reload, help: "remove an environment variable",
			set: func(v *Vassal, t value) error {
				v.Env = append(v.Env, EnvChange{Kind: "unset", Key: t.text})
				return nonempty(t.text, "no variable given")
			},
		},
		{
			name: "unprivileged-binary-patch", group: "Serving", arg: "PROGRAM", tyrant: true, help: "the vassal becomes this program",
			set: func(v *Vassal, t value) error {
				v.BinaryPatch = []string{t.text}
				return nonempty(t.text, "no program given")
			},
		},
		{
			name: "unprivileged-binary-patch-arg", group: "Serving", arg: "PROGRAM ARGS…", tyrant: true, help: "the vassal becomes this program with arguments",
			set: words(func(v *Vassal) *[]string { return &v.BinaryPatch }),
		},
	}
}

func setEnv(v *Vassal, t value) error {
	key, text, ok := strings.Cut(t.text, "=")
	if !ok || key == "" {
		return hinted{strconv.Quote(t.text) + " is not a variable", "KEY=value"}
	}
	v.Env = append(v.Env, EnvChange{"set", key, text})
	return nil
}
