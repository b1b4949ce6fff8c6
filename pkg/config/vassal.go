package config

import (
	"slices"
	"time"

	"github.com/emperor-go/emperor/internal/dialect"
	"github.com/emperor-go/emperor/pkg/config/serving"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// Vassal is the configuration of a vassal.
type Vassal struct {
	// Name is the name of the file that was read first, without its directory.
	Name string
	// WaitForInterface are the network interfaces to wait for before the as-root hooks, and
	// the timeout limits the wait for all of them.
	WaitForInterface        []namespaces.LinkWait
	WaitForInterfaceTimeout time.Duration
	// Hooks of the vassal's phases.
	Hooks hooks.Set
	// Jailed: the post-jail hooks run although nothing here jails the vassal.
	Jailed bool
	// Around is the environment of hooks.
	Around Surroundings
	// HookTimeout limits each hook. Zero: no limit.
	HookTimeout time.Duration
	// UID and GID are the vassal's user and group. AddGID are additional groups, and
	// NoInitgroups leaves out the user's groups of the system's files.
	UID, GID     Identity
	AddGID       []Identity
	NoInitgroups bool
	// Sockets are bound after privileges were dropped, in this order, with the options of
	// Listening.
	Sockets   []Socket
	Listening Listening
	// Network is the vassal's own part of its place in the network, Networking.Connection the
	// whole.
	Network spec.Wish
	// LogTo is the file, or the word journal, that gets the vassal's output. Empty: the
	// emperor's log does.
	LogTo string
	// Waits are the waits of the boot.
	Waits Waits
	// Directories are made before the hooks, by the kinds of DirectoryKinds.
	Directories [len(directoryKinds)]Directories
	// Pidfile is written before the drop, Pidfile2 after it. Empty: none.
	Pidfile, Pidfile2 string
	// Cwd is the working directory of the whole boot. Empty: unchanged.
	Cwd string
	// Names of the master.
	Names Names
	// Server has the options of the built-in server.
	Server serving.Options
	// Command is a program to run with the sockets. Empty: none.
	Command []string
	// BinaryPatch is a program that replaces the vassal after the drop, and RootPatch one that
	// does before any jail. Empty: none.
	BinaryPatch, RootPatch []string
	// RootPatchInit: RootPatch is the first process of the vassal's pid namespace. Otherwise
	// the vassal stays the first process, and the program is its child.
	RootPatchInit bool
	// Chdir is the working directory of the programs that serve. Empty: unchanged.
	Chdir string
	// Umask of everything after the drop; only if UmaskSet.
	Umask    int
	UmaskSet bool
	// Env are changes of the environment, in order.
	Env []EnvChange
	// Workers, Ready, Triggers, Idle and Daemons are for the master.
	Workers  Workers
	Ready    Readiness
	Triggers Triggers
	Idle     Idleness
	Daemons  []Daemon
	// Limits of all programs, and Hardening of the vassal and all its programs.
	Limits    Limits
	Hardening Hardening
	// Resources are limits of the whole vassal, as its lines say; Limiting.Of returns those that
	// count. CgroupFiles are other files of its cgroup with their content.
	Resources   Resources
	CgroupFiles [][2]string
	// LimitGroup is a group of the emperor's, and CgroupBelow a directory below the vassal's
	// cgroup. Empty: none.
	LimitGroup, CgroupBelow string
	// Terminal of the first worker.
	Terminal Terminal
	// Fallback is a file with which the vassal starts again when it would exit with 1. Empty:
	// none.
	Fallback string
	// ReloadMercy is the time between asking a worker to stop and killing it.
	ReloadMercy time.Duration

	entries []dialect.Entry // the entries that it was decoded from
	// daemonsAt are the positions of the options of Daemons.
	daemonsAt []Origin
	partial   bool // a part was skipped
	unread    bool // a part was not understood as options
	reads     []dialect.Variable
	held      bool // Permissions.Held
}

// Unread reports whether a file, or a part of one, could not be read as options: an option
// that was not found may be in it.
func (v *Vassal) Unread() bool { return v.unread }

// defaultVassal returns the defaults of a vassal.
func defaultVassal() *Vassal {
	return &Vassal{
		WaitForInterfaceTimeout: 60 * time.Second, Hooks: hooks.Set{}, HookTimeout: 30 * time.Second, ReloadMercy: 60 * time.Second,
		Listening: Listening{Backlog: 100}, Workers: Workers{Processes: 1, ForkbombDelay: 2 * time.Second},
		Ready: Readiness{Timeout: 60 * time.Second}, Triggers: Triggers{MinLifetime: 60 * time.Second},
	}
}

// withoutStats removes sockets for statistics when no built-in server serves them: the command
// would treat them as sockets to serve.
func (v *Vassal) withoutStats(warnings *Problems) {
	if v.Server.Serves() || v.Fronted() {
		return
	}
	before := len(v.Sockets)
	v.Sockets = slices.DeleteFunc(v.Sockets, func(s Socket) bool { return s.Name == "stats" })
	if len(v.Sockets) < before {
		warnings.Add(v.Origin("stats"), "stats", "only the built-in server has statistics: the socket is not bound", "")
	}
}
