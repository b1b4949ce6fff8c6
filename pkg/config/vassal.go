package config

import (
	"strconv"
	"strings"
	"time"

	"github.com/emperor-go/emperor/pkg/hooks"
)

// Vassal is what may be said about a vassal.
type Vassal struct {
	// WaitForInterface are the network interfaces that must be there before the
	// as-root hooks run, and the timeout bounds the wait for all of them.
	WaitForInterface        []string
	WaitForInterfaceTimeout time.Duration
	// Hooks are those of the vassal's phases.
	Hooks hooks.Set
	// HookTimeout bounds each hook. Zero: no bound.
	HookTimeout time.Duration
	// UID and GID are what the vassal becomes. AddGID are further groups, and
	// NoInitgroups leaves out those that the system's files give the user.
	UID, GID     Identity
	AddGID       []Identity
	NoInitgroups bool
	// Sockets are bound after privileges were dropped, in this order.
	Sockets []Socket
	// StaticMaps are served by the built-in server.
	StaticMaps []StaticMap
	// Command is a program to run with the sockets. Empty: none.
	Command []string
	// BinaryPatch is a program that takes the vassal's place. Empty: none.
	BinaryPatch []string
	// Chdir is the working directory of what is served. Empty: stay.
	Chdir string
	// Umask of everything after the drop; only if UmaskSet.
	Umask    int
	UmaskSet bool
	// Env are variables to set, each as KEY=value.
	Env []string
	// ReloadMercy is the time between asking a worker to stop and killing it.
	ReloadMercy time.Duration
}

// Socket is an address to listen on.
type Socket struct {
	// Name is the option it was given by. It becomes the descriptor's name.
	Name string
	// Address is `host:port`, `:port` or the path of a unix socket.
	Address string
}

// defaultVassal is what a vassal does that is told nothing.
func defaultVassal() *Vassal {
	return &Vassal{
		WaitForInterfaceTimeout: 60 * time.Second, Hooks: hooks.Set{}, HookTimeout: 30 * time.Second, ReloadMercy: 60 * time.Second,
	}
}

// vassalOptions is the vassal's table, sorted by name within each group.
func vassalOptions() table[Vassal] {
	return append(table[Vassal]{
		{name: "wait-for-interface", aliases: []string{"wait-for-iface", "wait-iface", "wait-interface"}, group: "Boot", arg: "NAME", repeat: true,
			help: "wait for the network interface before the as-root hooks", set: setInterface},
		{name: "wait-for-interface-timeout", aliases: []string{"wait-for-iface-timeout", "wait-iface-timeout", "wait-interface-timeout"}, group: "Boot", arg: "TIME", def: "60",
			help: "how long to wait for interfaces", set: duration(func(v *Vassal) *time.Duration { return &v.WaitForInterfaceTimeout })},

		{name: "hook-timeout", group: "Hooks", arg: "TIME", def: "30", help: "bound of each hook; 0: none",
			set: duration(func(v *Vassal) *time.Duration { return &v.HookTimeout })},

		{name: "add-gid", group: "Privileges", arg: "GROUP", repeat: true, help: "supplementary group",
			set: func(v *Vassal, t value) error {
				id, err := parseIdentity(t.text)
				v.AddGID = append(v.AddGID, id)
				return err
			}},
		{name: "gid", group: "Privileges", arg: "GROUP", guard: true, help: "group to run as", set: identity(func(v *Vassal) *Identity { return &v.GID })},
		{name: "no-initgroups", group: "Privileges", help: "do not take the user's groups from the system's files",
			set: func(v *Vassal, t value) error { v.NoInitgroups = parseBool(t.text); return nil }},
		{name: "uid", group: "Privileges", arg: "USER", guard: true, help: "user to run as", set: identity(func(v *Vassal) *Identity { return &v.UID })},
		{name: "umask", group: "Privileges", arg: "OCTAL", guard: true, help: "file mode creation mask", set: setUmask},

		{name: "chdir", group: "Serving", arg: "DIR", help: "working directory of what is served",
			set: func(v *Vassal, t value) error { v.Chdir = t.text; return nil }},
		{name: "command", group: "Serving", arg: "PROGRAM ARGS…", help: "run this program with the sockets (LISTEN_FDS), again when it dies",
			set: words(func(v *Vassal) *[]string { return &v.Command })},
		{name: "env", group: "Serving", arg: "KEY=VALUE", repeat: true, help: "set an environment variable", set: setEnv},
		{name: "http-socket", group: "Serving", arg: "ADDRESS", repeat: true, help: "listen for HTTP on :PORT, HOST:PORT or a path", set: setSocket("http-socket")},
		{name: "reload-mercy", group: "Serving", arg: "TIME", def: "60", help: "time between asking a worker to stop and killing it",
			set: duration(func(v *Vassal) *time.Duration { return &v.ReloadMercy })},
		{name: "socket", group: "Serving", arg: "ADDRESS", repeat: true, help: "listen on :PORT, HOST:PORT or a path", set: setSocket("socket")},
		{name: "static-map", group: "Serving", arg: "/MOUNT=DIR", repeat: true, help: "serve the files of a directory by the built-in server",
			set: func(v *Vassal, t value) error {
				m, err := parseStaticMap(t.text)
				v.StaticMaps = append(v.StaticMaps, m)
				return err
			}},
		{name: "unprivileged-binary-patch", group: "Serving", arg: "PROGRAM", help: "the vassal becomes this program",
			set: func(v *Vassal, t value) error {
				v.BinaryPatch = []string{t.text}
				return nonempty(t.text, "no program given")
			}},
		{name: "unprivileged-binary-patch-arg", group: "Serving", arg: "PROGRAM ARGS…", help: "the vassal becomes this program with arguments",
			set: words(func(v *Vassal) *[]string { return &v.BinaryPatch })},
	}, hookOptions(hooks.Vassal, func(v *Vassal) hooks.Set { return v.Hooks })...)
}

func setInterface(v *Vassal, t value) error {
	// Names longer than the kernel's IFNAMSIZ-1 cannot appear (netdevice(7)).
	if t.text == "" || len(t.text) > 15 || strings.ContainsAny(t.text, "/ \t") {
		return hinted{strconv.Quote(t.text) + " cannot be an interface", "1 to 15 characters"}
	}
	v.WaitForInterface = append(v.WaitForInterface, t.text)
	return nil
}

func setUmask(v *Vassal, t value) error {
	mask, err := strconv.ParseUint(t.text, 8, 16)
	if err != nil || mask > 0o777 {
		return hinted{strconv.Quote(t.text) + " is not a mask", "octal, such as 022"}
	}
	v.Umask, v.UmaskSet = int(mask), true
	return nil
}

func setEnv(v *Vassal, t value) error {
	if key, _, ok := strings.Cut(t.text, "="); !ok || key == "" {
		return hinted{strconv.Quote(t.text) + " is not a variable", "KEY=value"}
	}
	v.Env = append(v.Env, t.text)
	return nil
}

func setSocket(name string) func(*Vassal, value) error {
	return func(v *Vassal, t value) error {
		if err := nonempty(t.text, "no address given"); err != nil {
			return err
		}
		v.Sockets = append(v.Sockets, Socket{name, t.text})
		return nil
	}
}

func nonempty(s, what string) error {
	if s == "" {
		return hinted{what: what}
	}
	return nil
}

// check finds what no single option shows.
func (v *Vassal) check(file string, warnings, problems *Problems) {
	o := Origin{File: file}
	if len(v.Command) > 0 && len(v.StaticMaps) > 0 {
		problems.add(o, "command", "there is a static-map as well", "serve with one of them")
	}
	if len(v.BinaryPatch) > 0 && len(v.Command)+len(v.StaticMaps) > 0 {
		problems.add(o, "unprivileged-binary-patch", "there is a command or a static-map as well", "nothing of the vassal stays to run it")
	}
	switch {
	case len(v.Command)+len(v.StaticMaps)+len(v.BinaryPatch) == 0:
		problems.add(o, "", "there is nothing to serve", "give static-map, command or unprivileged-binary-patch-arg")
	case len(v.StaticMaps) > 0 && len(v.Sockets) == 0:
		problems.add(o, "static-map", "there is no http-socket to serve on", "such as http-socket = :8080")
	case len(v.BinaryPatch) > 0 && len(v.Sockets) > 0:
		warnings.add(o, "unprivileged-binary-patch", "sockets are not bound for it", "")
	}
}
