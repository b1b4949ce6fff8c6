package config

import (
	"slices"
	"time"

	"github.com/emperor-go/emperor/pkg/config/serving"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Vassal is what may be said about a vassal.
type Vassal struct {
	// Name is the name of the file that was read first, without its directory.
	Name string
	// WaitForInterface are the network interfaces that must be there before the
	// as-root hooks run, and the timeout bounds the wait for all of them.
	WaitForInterface        []namespaces.LinkWait
	WaitForInterfaceTimeout time.Duration
	// Hooks are those of the vassal's phases.
	Hooks hooks.Set
	// Jailed: the post-jail hooks run although nothing here jails the vassal.
	Jailed bool
	// Around is what hooks find around them.
	Around Surroundings
	// HookTimeout bounds each hook. Zero: no bound.
	HookTimeout time.Duration
	// UID and GID are what the vassal becomes. AddGID are further groups, and
	// NoInitgroups leaves out those that the system's files give the user.
	UID, GID     Identity
	AddGID       []Identity
	NoInitgroups bool
	// Sockets are bound after privileges were dropped, in this order, in the way
	// that Listening says.
	Sockets   []Socket
	Listening Listening
	// LogTo is the file, or the word journal, that gets what the vassal prints. Empty:
	// the emperor's log does.
	LogTo string
	// Waits are what the boot waits for.
	Waits Waits
	// Pidfile is written before the drop, Pidfile2 after it. Empty: none.
	Pidfile, Pidfile2 string
	// Cwd is the working directory of the whole boot. Empty: stay.
	Cwd string
	// Names are those of the master.
	Names Names
	// Server is what the built-in server is told.
	Server serving.Options
	// Command is a program to run with the sockets. Empty: none.
	Command []string
	// BinaryPatch is a program that takes the vassal's place after the drop, and
	// RootPatch one that does before any jail. Empty: none.
	BinaryPatch, RootPatch []string
	// RootPatchInit: RootPatch is the first process of the vassal's pid namespace.
	// Otherwise the vassal stays that, and the program is its child.
	RootPatchInit bool
	// Chdir is the working directory of what is served. Empty: stay.
	Chdir string
	// Umask of everything after the drop; only if UmaskSet.
	Umask    int
	UmaskSet bool
	// Env are changes of the environment, in order.
	Env []EnvChange
	// Workers, Ready, Triggers, Idle and Daemons are the master's business.
	Workers  Workers
	Ready    Readiness
	Triggers Triggers
	Idle     Idleness
	Daemons  []Daemon
	// Terminal is that of the first worker.
	Terminal Terminal
	// Fallback is a file with which the vassal starts again when it would exit
	// with 1. Empty: none.
	Fallback string
	// ReloadMercy is the time between asking a worker to stop and killing it.
	ReloadMercy time.Duration

	entries []entry // what all of it was read from
	partial bool    // something was left out
	unread  bool    // not all of it was understood as options
	reads   []Variable
	held    bool // Access.Held
}

// Unread reports whether a file, or a part of one, could not be read as options: nothing
// can be said of an option that was not found then.
func (v *Vassal) Unread() bool { return v.unread }

// defaultVassal is what a vassal does that is told nothing.
func defaultVassal() *Vassal {
	return &Vassal{
		WaitForInterfaceTimeout: 60 * time.Second, Hooks: hooks.Set{}, HookTimeout: 30 * time.Second, ReloadMercy: 60 * time.Second,
		Listening: Listening{Backlog: 100}, Workers: Workers{Processes: 1, ForkbombDelay: 2 * time.Second},
		Ready: Readiness{Timeout: 60 * time.Second}, Triggers: Triggers{MinLifetime: 60 * time.Second},
	}
}

// withoutStats takes sockets for statistics away where no built-in server tells
// them: the command would take them for sockets to serve.
func (v *Vassal) withoutStats(warnings *Problems) {
	if v.Server.Serves() || v.Fronted() {
		return
	}
	before := len(v.Sockets)
	v.Sockets = slices.DeleteFunc(v.Sockets, func(s Socket) bool { return s.Name == "stats" })
	if len(v.Sockets) < before {
		warnings.add(v.Origin("stats"), "stats", "only the built-in server has statistics: the socket is not bound", "")
	}
}
