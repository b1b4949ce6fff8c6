package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/internal/address"
)

// sources are the prefixes of the options that declare sockets, or that work without one.
var sources = []string{"fastcgi-socket", "http", "https", "privileged-binary-patch", "socket", "stats", "unprivileged-binary-patch", "uwsgi-socket"}

// served are the options that give the built-in server content to serve.
var served = []string{"static-map", "static-map2", "check-static", "cgi", "http-to", "route"}

// checks are the rules about combinations of options, in the order in which mistakes are
// reported. They read only the options.
var checks = []struct {
	// keys are options. The mistake is reported at the first of them that the configuration
	// contains. Empty: at the file.
	keys []string
	what string
	hint string
	// missing lists the prefixes of the options that would satisfy the rule, when the mistake is
	// a missing option. If one of these options has an invalid value, only that is reported.
	missing []string
	// wrong reports whether the options break the rule.
	wrong func(v *Vassal) bool
}{
	{
		[]string{"fastcgi-socket", "socket"},
		"the built-in server cannot pass requests on to a command by FastCGI",
		"http-socket, socket, or http-to = ADDRESS of a server that the command opens itself", nil,
		func(v *Vassal) bool { return v.Fronted() && v.unpassable() },
	},
	{
		[]string{"no-new-privileges"},
		"system-call-filter and landlock imply it: a set-user-id program must not run under the restrictions of another user", "drop the line", nil,
		func(v *Vassal) bool {
			return v.Hardening.Restricted() && !v.Hardening.NoNewPrivileges && v.Origin("no-new-privileges") != (Origin{})
		},
	},
	{
		[]string{"worker-exec", "worker-exec2"},
		"there is also a command", "serve with one of them", nil,
		func(v *Vassal) bool { return len(v.Workers.Exec) > 0 && len(v.Command) > 0 },
	},
	{
		[]string{"unprivileged-binary-patch", "unprivileged-binary-patch-arg"},
		"there is also a command or a static-map", "the vassal does not exist any more to run it", nil,
		func(v *Vassal) bool {
			return len(v.BinaryPatch) > 0 && (v.commands() || v.Server.Serves())
		},
	},
	{
		[]string{"chroot", "pivot_root"},
		"privileged-binary-patch replaces the vassal before it has a new root directory", "command, or unprivileged-binary-patch-arg", nil,
		func(v *Vassal) bool { return v.Files.Root != nil && len(v.RootPatch) > 0 },
	},
	{
		[]string{"setns-socket"},
		"a program that replaces the vassal cannot answer there", "command", nil,
		func(v *Vassal) bool { return v.Namespaces.Socket != "" && len(v.BinaryPatch)+len(v.RootPatch) > 0 },
	},
	{
		[]string{"privileged-binary-patch-init"},
		"no program is given that could be process 1", "give privileged-binary-patch-arg",
		[]string{"privileged-binary-patch"},
		func(v *Vassal) bool { return v.RootPatchInit && len(v.RootPatch) == 0 },
	},
	{
		nil, "there is nothing to serve", "give static-map, command or unprivileged-binary-patch-arg",
		[]string{
			"attach-", "cgi", "check-static", "command", "http-to", "privileged-binary-patch", "route", "smart-attach-",
			"static-map", "unprivileged-binary-patch", "worker-exec",
		},
		func(v *Vassal) bool { return !v.runs() && len(v.Daemons) == 0 },
	},
	{
		served,
		"there is no socket to serve on", "such as http-socket = :8080", sources,
		func(v *Vassal) bool {
			return v.unreachable() && !v.commands()
		},
	},
	{
		[]string{"ready-probe"},
		"the vassal listens there itself, so that tcp: succeeds before any program runs", "http://ADDRESS/PATH, which a new worker must answer, or notify-ready", nil,
		(*Vassal).probesItself,
	},
	{
		[]string{"cheap", "idle"},
		"there is no socket whose first connection could start the workers", "such as http-socket = :8080", append([]string{"pty-socket"}, sources...),
		func(v *Vassal) bool {
			return v.commands() && (v.Idle.Cheap || v.Idle.After > 0 && !v.Idle.Die) && len(v.Sockets) == 0 && v.Terminal.Socket == "" && !v.held
		},
	},
}

// unreachable reports whether the built-in server has content to serve but no socket.
func (v *Vassal) unreachable() bool {
	return v.Server.Serves() && len(v.Sockets) == 0 && !v.held && len(v.BinaryPatch)+len(v.RootPatch) == 0
}

// checkUnserved warns about files and routes next to a command when the vassal has no socket. It
// is no mistake: the command may open sockets itself, as under uWSGI.
func (v *Vassal) checkUnserved(file string, unsure doubts, warnings *Problems) {
	if !v.unreachable() || !v.commands() || unsure.about(sources...) {
		return
	}
	origin, key := v.place(file, served...)
	warnings.Add(origin, key, "no request reaches it: the vassal has no socket", "such as http-socket = :8080")
}

// runs reports whether the configuration starts a server or a program.
func (v *Vassal) runs() bool {
	return v.commands() || len(v.BinaryPatch)+len(v.RootPatch) > 0 || v.Server.Serves()
}

// doubts are reasons to withhold the report of a missing option.
type doubts struct {
	// unread: a part of the configuration could not be read.
	unread bool
	// options have an invalid value.
	options []string
}

// about reports whether an option with one of these prefixes is in doubt.
func (d doubts) about(beginnings ...string) bool {
	return d.unread || slices.ContainsFunc(d.options, func(option string) bool {
		return slices.ContainsFunc(beginnings, func(b string) bool { return strings.HasPrefix(option, b) })
	})
}

// check finds the mistakes that combinations of options make. Warnings that explain a missing
// option become mistakes.
func (v *Vassal) check(file string, unsure doubts, warnings, problems *Problems) {
	v.checkSockets(file, unsure, problems)
	v.checkTwice(file, problems)
	v.checkUnserved(file, unsure, warnings)
	for _, c := range checks {
		missing := len(c.missing) > 0
		if missing && unsure.about(c.missing...) || !c.wrong(v) || missing && because(problems, warnings, c.what, c.missing) {
			continue
		}
		origin, key := v.place(file, c.keys...)
		*problems = append(*problems, Problem{Origin: origin, Key: key, What: c.what, Hint: c.hint, Follows: missing})
	}
}

// checkSockets finds references to shared sockets that do not exist.
func (v *Vassal) checkSockets(file string, unsure doubts, problems *Problems) {
	if unsure.about("shared-socket") {
		return
	}
	for _, s := range v.Sockets {
		if n, ok := s.Shared(); ok && n >= len(v.Listening.Shared) {
			origin, key := v.place(file, s.Name)
			problems.Add(origin, key, "there is no shared socket "+s.Address, "shared-socket is given "+strconv.Itoa(len(v.Listening.Shared))+" times")
		}
	}
}

// checkTwice finds addresses that two options of one vassal share.
func (v *Vassal) checkTwice(file string, problems *Problems) {
	if v.Listening.ReusePort {
		return
	}
	first := map[string]string{}
	for _, s := range v.Sockets {
		// The kernel chooses a different port for each socket that is bound to port 0.
		if _, shared := s.Shared(); shared || !address.IsUnix(s.Address) && strings.HasSuffix(s.Address, ":0") {
			continue
		}
		if before, again := first[s.Address]; again {
			origin, key := v.place(file, s.Name)
			problems.Add(origin, key, fmt.Sprintf("%s has the address %s as well", before, s.Address), "each socket needs its own")
			continue
		}
		first[s.Address] = s.Name
	}
}

// place returns the origin and the name of the first of several options that was given. When none
// was given, it returns the file and the first name.
func (v *Vassal) place(file string, keys ...string) (o Origin, key string) {
	for _, key := range keys {
		if o := v.Origin(key); o != (Origin{}) {
			return o, key
		}
	}
	if len(keys) > 0 {
		key = keys[0]
	}
	return Origin{File: file}, key
}
