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
	// Name is the name of the first file, without its directory.
	Name string
	// WaitForInterface lists the interfaces that the vassal waits for before the as-root hooks.
	// The timeout limits the wait for all of them together.
	WaitForInterface        []namespaces.LinkWait
	WaitForInterfaceTimeout time.Duration
	// Hooks of the vassal's phases.
	Hooks hooks.Set
	// Jailed makes the post-jail hooks run although no option here jails the vassal.
	Jailed bool
	// Around is the environment of hooks.
	Around Surroundings
	// HookTimeout limits each hook. Zero: no limit.
	HookTimeout time.Duration
	// UID and GID are the vassal's user and group. AddGID are supplementary groups. NoInitgroups
	// leaves out the groups that the user database gives to the user.
	UID, GID     Identity
	AddGID       []Identity
	NoInitgroups bool
	// Capabilities are all that the vassal and its programs keep. Not set: root's for root, none for
	// another user.
	Capabilities Capabilities
	// Sockets are bound after privileges are dropped, in this order, with the options of
	// Listening.
	Sockets   []Socket
	Listening Listening
	// Network has the vassal's own network options. Networking.Connection combines them with the
	// emperor's.
	Network spec.Wish
	// LogTo is a file, or the word journal, for the vassal's output. Empty: the emperor's log.
	LogTo string
	// Waits are the waits of the boot.
	Waits Waits
	// Directories are created before the hooks. The index is the position in DirectoryKinds.
	Directories [len(directoryKinds)]Directories
	// Pidfile is written before privileges are dropped, Pidfile2 after that. Empty: none.
	Pidfile, Pidfile2 string
	// Cwd is the working directory of the whole boot. Empty: unchanged.
	Cwd string
	// Names of the master's process.
	Names Names
	// Server has the options of the built-in server.
	Server serving.Options
	// Command is a program that runs with the sockets. Empty: none.
	Command []string
	// BinaryPatch is a program that replaces the vassal after privileges are dropped. RootPatch
	// is one that replaces it before any jail. Empty: none.
	BinaryPatch, RootPatch []string
	// RootPatchInit makes RootPatch the first process of the vassal's pid namespace. Otherwise
	// the vassal stays the first process, and the program is its child.
	RootPatchInit bool
	// Chdir is the working directory of the programs that serve. Empty: unchanged.
	Chdir string
	// Umask of everything after privileges are dropped, if UmaskSet.
	Umask    int
	UmaskSet bool
	// Env are changes of the environment, in order.
	Env []EnvChange
	// Workers, Ready, Triggers, Idle and Daemons configure the master.
	Workers  Workers
	Ready    Readiness
	Triggers Triggers
	Idle     Idleness
	Daemons  []Daemon
	// Limits apply to all programs, Hardening to the vassal and all its programs.
	Limits    Limits
	Hardening Hardening
	// Files are its view of the file system.
	Files Files
	// Namespaces are its own ones.
	Namespaces Namespaces
	// Resources are limits of the whole vassal, as in its lines; Limiting.Of returns the ones that
	// count. CgroupFiles are other files of its cgroup with their content.
	Resources   Resources
	CgroupFiles [][2]string
	// LimitGroup is a group of the emperor's, and CgroupBelow a directory below the vassal's
	// cgroup. Empty: none.
	LimitGroup, CgroupBelow string
	// Terminal of the first worker.
	Terminal Terminal
	// Fallback is a file with which the vassal starts again instead of exiting with 1. Empty:
	// none.
	Fallback string
	// ReloadMercy is the time between the request to stop a worker and SIGKILL.
	ReloadMercy time.Duration

	entries []dialect.Entry // the source of the options
	// daemonsAt are the positions of the options of Daemons.
	daemonsAt []Origin
	partial   bool // a part was skipped
	unread    bool // a part could not be read as options
	reads     []dialect.Variable
	held      bool // Permissions.Held
}

// Unread reports whether a file, or a part of one, could not be read as options. A missing option
// may be in that part.
func (v *Vassal) Unread() bool { return v.unread }

// defaultVassal returns the defaults of a vassal.
func defaultVassal() *Vassal {
	return &Vassal{
		WaitForInterfaceTimeout: 60 * time.Second, Hooks: hooks.Set{}, HookTimeout: 30 * time.Second, ReloadMercy: 60 * time.Second,
		Listening: Listening{Backlog: 100}, Workers: Workers{Processes: 1, ForkbombDelay: 2 * time.Second},
		Ready: Readiness{Timeout: 60 * time.Second}, Triggers: Triggers{MinLifetime: 60 * time.Second},
	}
}

// withoutStats removes sockets for statistics when no built-in server serves them. Otherwise the
// command would serve requests on them.
func (v review) withoutStats() {
	if v.Server.Serves() || v.Fronted() {
		return
	}
	before := len(v.Sockets)
	v.Sockets = slices.DeleteFunc(v.Sockets, func(s Socket) bool { return s.Name == "stats" })
	if len(v.Sockets) < before {
		v.warnings.Add(v.Origin("stats"), "stats", "only the built-in server has statistics: the socket is not bound", "")
	}
}
