package config

import (
	"fmt"
	"math"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/config/option"
)

// Workers configures how a vassal's master starts, replaces and stops workers.
type Workers struct {
	// Processes is the number of workers. Never zero.
	Processes int
	// Exec is a program that gets the first socket as standard input, like uWSGI's worker-exec.
	// ExecHooks runs it after the post-fork hooks (worker-exec2).
	Exec      []string
	ExecHooks bool
	// StopSignal asks a worker to stop. Zero: SIGTERM.
	StopSignal syscall.Signal
	// ReloadSignal makes the command read its own files again. Zero: the command has no such
	// signal.
	ReloadSignal syscall.Signal
	// Order is the order of a reload. Empty: Vassal.ReloadOrder decides.
	Order ReloadOrder
	// Mercy is the time between StopSignal and SIGKILL. Zero: ReloadMercy.
	Mercy time.Duration
	// ForkbombDelay is the minimum pause after a worker that died within a second.
	ForkbombDelay time.Duration
	// ReloadOnTerm makes SIGTERM reload instead of stop (die-on-term = false).
	ReloadOnTerm bool
}

// Limits are resource limits of the programs of a vassal (setrlimit(2)). They do not apply to the
// vassal and the built-in server: a Go program reserves much more address space than it uses.
type Limits struct {
	// AddressSpace is in bytes. Zero: no limit.
	AddressSpace uint64 `json:",omitempty"`
	// Processes limits the processes of the user. Zero: no limit.
	Processes uint64 `json:",omitempty"`
}

// None reports whether there is no limit.
func (l Limits) None() bool { return l == Limits{} }

// Apply sets the soft and hard limits of this process before it executes a program. It keeps a
// hard limit that is already lower.
func (l Limits) Apply() error {
	for _, x := range []struct {
		name     string
		resource int
		most     uint64
	}{{"limit-nproc", unix.RLIMIT_NPROC, l.Processes}, {"limit-as", unix.RLIMIT_AS, l.AddressSpace}} {
		if x.most == 0 {
			continue
		}
		var now unix.Rlimit
		err := unix.Getrlimit(x.resource, &now)
		if err == nil {
			most := min(x.most, now.Max)
			err = unix.Setrlimit(x.resource, &unix.Rlimit{Cur: most, Max: most})
		}
		if err != nil {
			return fmt.Errorf("%s: cannot set the limit: %w", x.name, err)
		}
	}
	return nil
}

// setLimit sets a limit, in units. A tenant's own file can only lower it.
func setLimit(limit *uint64, t option.Value, unit uint64, name, hint string) error {
	n, err := strconv.ParseUint(t.Text, 10, 64)
	if err != nil || n > math.MaxUint64/unit {
		return option.Wrong(strconv.Quote(t.Text)+" is not a number of "+name, hint)
	}
	if n *= unit; t.Tenant && *limit != 0 && (n == 0 || n > *limit) {
		return nil
	}
	*limit = n
	return nil
}

// unlimited warns about limits of a vassal that only the built-in server serves.
func (v review) unlimited() {
	if v.Limits.None() || v.commands() || !v.Server.Serves() {
		return
	}
	origin, key := v.place("", "limit-as", "limit-nproc")
	v.warnings.Add(origin, key, "the built-in server is not limited by it: a Go program reserves about 800 MB of address space",
		"max-worker-lifetime, or memory.max of a cgroup")
}

// ReloadOrder is the order in which a reload starts new workers and stops old ones.
type ReloadOrder string

const (
	// StartFirst runs new workers next to the old ones until the new ones are ready.
	StartFirst ReloadOrder = "start-first"
	// StopFirst stops the old workers before the new ones start.
	StopFirst ReloadOrder = "stop-first"
)

// ReloadOrder returns the order of a reload to this configuration. Two instances of a program run
// at the same time only if the vassal passes sockets to it, which means that it is made for that,
// or if the file requires that. Other programs could share data or a port between the instances.
func (v *Vassal) ReloadOrder() ReloadOrder {
	switch {
	case v.Workers.Order != "":
		return v.Workers.Order
	case !v.commands(), v.HandsOver():
		return StartFirst
	}
	return StopFirst
}

// HandsOver reports whether the vassal binds sockets for the command. Otherwise the command binds
// its own.
func (v *Vassal) HandsOver() bool {
	if v.held {
		return true
	}
	for _, s := range v.Sockets {
		switch {
		case s.Name == "stats": // used by the built-in server
		case !v.Fronted(), !v.Fronts(s.Name):
			return true
		case len(v.Server.HTTPTo) == 0 && (!s.router() || v.Routed() == nil): // the command gets the socket behind it
			return true
		}
	}
	return false
}

// Readiness configures how the master detects that a new worker serves.
type Readiness struct {
	// Notify: the worker sends READY=1 (sd_notify(3)).
	Notify bool
	// Probe is tried until it succeeds; zero: no probe. Without Notify and Probe a worker is
	// ready when its program runs.
	Probe Probe
	// Timeout limits the start of a worker. Never zero.
	Timeout time.Duration
}

// Probe is a check whether a service responds.
type Probe struct {
	// Kind is tcp, http or exec. Empty: none.
	Kind string
	// Address of the socket, and for http the path of the request.
	Address, Path string
	// Command is run by exec.
	Command []string
}

// Triggers are the conditions under which the master reloads or replaces workers by itself.
type Triggers struct {
	// Touch are files whose change causes a reload. A change of a file in Chain replaces one
	// worker after the other.
	Touch, Chain []string
	// Trees are files and directories. Any change in them causes a reload.
	Trees []string
	// RSS is the resident memory, in bytes, above which a worker is replaced. Zero: no limit.
	RSS int64
	// MaxLifetime is the age at which a worker is replaced; each further worker gets Delta more.
	// Zero: no limit. No trigger replaces a worker younger than MinLifetime.
	MaxLifetime, Delta, MinLifetime time.Duration
	// Exit makes the vassal exit instead of reloading.
	Exit bool
}

// Idleness configures the end of workers when there are no requests.
type Idleness struct {
	// After is the time without a request. Zero: never.
	After time.Duration
	// Die ends the vassal then. Otherwise only its workers stop.
	Die bool
	// Cheap starts workers on the first connection.
	Cheap bool
}

// Daemon is a program that runs next to the workers.
type Daemon struct {
	Command []string
	// Text is the command as it was written. Shell: a shell runs Text; Command is not used.
	Text  string
	Shell bool
	// Control ends the vassal when the daemon ends.
	Control bool
	// Pidfile has the pid of a daemon that is not a child of this master and survives reloads.
	// Daemonize: the master starts it in the background and writes the file. Freq is the time, in
	// seconds, within which the file must appear.
	Pidfile   string
	Daemonize bool
	Freq      int
	// StopSignal stops the daemon; zero: SIGTERM. ReloadSignal is sent on a reload instead of
	// replacing the daemon; zero: it is replaced.
	StopSignal, ReloadSignal syscall.Signal
	// Touch are files. A change of one restarts the daemon.
	Touch []string
	// NewPID makes it the first process of a new pid namespace, so that all its processes end
	// with it. This needs root's rights.
	NewPID bool
	// Stdin passes the standard input of the master on. Otherwise standard input is empty.
	Stdin bool
	// MaxPause limits the pause before a restart. Zero: as for workers.
	MaxPause time.Duration
	// Dir is the working directory of the daemon. Empty: the master's.
	Dir string
	// UID and GID of the daemon, if the master may change to them.
	UID, GID Identity
}
