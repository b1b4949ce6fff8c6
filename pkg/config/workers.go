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

// Workers is how a vassal's master starts, replaces and ends workers.
type Workers struct {
	// Processes is how many there are. Never zero.
	Processes int
	// Exec is a program that gets the first socket as standard input, as uWSGI's
	// worker-exec does; ExecHooks: after the post-fork hooks (worker-exec2).
	Exec      []string
	ExecHooks bool
	// StopSignal asks a worker to finish. Zero: SIGTERM.
	StopSignal syscall.Signal
	// ReloadSignal makes the command read its own files again. Zero: nothing does.
	ReloadSignal syscall.Signal
	// Order is the order of a reload. Empty: Vassal.ReloadOrder tells.
	Order ReloadOrder
	// Mercy is the time between StopSignal and killing it. Zero: ReloadMercy.
	Mercy time.Duration
	// ForkbombDelay is the least pause after a worker that died within a second.
	ForkbombDelay time.Duration
	// ReloadOnTerm: SIGTERM reloads instead of stopping (die-on-term = false).
	ReloadOnTerm bool
}

// Limits are resource limits of the programs of a vassal (setrlimit(2)). The vassal itself and the
// built-in server have none: a Go program reserves much more address space than it uses.
type Limits struct {
	// AddressSpace is in bytes. Zero: no limit.
	AddressSpace uint64 `json:",omitempty"`
	// Processes is the number of processes of the user. Zero: no limit.
	Processes uint64 `json:",omitempty"`
}

// None reports whether there is no limit.
func (l Limits) None() bool { return l == Limits{} }

// Apply sets the soft and the hard limits of this process, which executes a program next. A
// lower hard limit stays.
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

// unlimited warns about limits of a vassal whose requests the built-in server answers.
func (v *Vassal) unlimited(warnings *Problems) {
	if v.Limits.None() || v.commands() || !v.Server.Serves() {
		return
	}
	origin, key := v.place("", "limit-as", "limit-nproc")
	warnings.Add(origin, key, "the built-in server is not limited by it: a Go program reserves about 800 MB of address space", "max-worker-lifetime, or memory.max of a cgroup")
}

// ReloadOrder is which of two generations of workers a reload turns to first.
type ReloadOrder string

const (
	// StartFirst runs new workers beside the old ones until they are ready.
	StartFirst ReloadOrder = "start-first"
	// StopFirst ends the old workers before the new ones are started.
	StopFirst ReloadOrder = "stop-first"
)

// ReloadOrder is the order of a reload to this configuration. Two instances of a program
// run at once only where the vassal hands sockets to it, which is what they are for, or
// where the file says so: others share data, or a port, with themselves.
func (v *Vassal) ReloadOrder() ReloadOrder {
	switch {
	case v.Workers.Order != "":
		return v.Workers.Order
	case !v.commands(), v.HandsOver():
		return StartFirst
	}
	return StopFirst
}

// HandsOver reports whether the command finds sockets that the vassal has bound: it binds
// its own otherwise.
func (v *Vassal) HandsOver() bool {
	if v.held {
		return true
	}
	for _, s := range v.Sockets {
		switch {
		case s.Name == "stats": // the built-in server's
		case !v.Fronted(), !v.Fronts(s.Name):
			return true
		case len(v.Server.HTTPTo) == 0 && (!s.router() || v.Routed() == nil): // it gets another one behind that
			return true
		}
	}
	return false
}

// Readiness is how the master knows that a new worker serves.
type Readiness struct {
	// Notify: the worker says READY=1 (sd_notify(3)).
	Notify bool
	// Probe is what is tried until it succeeds; its zero value tries nothing.
	// Without either a worker is ready when its program runs.
	Probe Probe
	// Timeout is how long a new worker may take. Never zero.
	Timeout time.Duration
}

// Probe is a way to ask whether a service is up.
type Probe struct {
	// Kind is tcp, http or exec. Empty: none.
	Kind string
	// Address of the socket, and for http the path to get.
	Address, Path string
	// Command is run by exec.
	Command []string
}

// Triggers are what makes the master reload by itself.
type Triggers struct {
	// Touch are files whose change reloads, and Chain those that replace one
	// worker after the other.
	Touch, Chain []string
	// Trees are files and directories; any change below them reloads.
	Trees []string
	// RSS is the resident memory of a worker, in bytes, above which it is
	// replaced. Zero: any.
	RSS int64
	// MaxLifetime is the age at which a worker is replaced; each further worker
	// gets Delta more. Zero: none. No trigger replaces a worker younger than
	// MinLifetime.
	MaxLifetime, Delta, MinLifetime time.Duration
	// Exit: the vassal ends instead of reloading.
	Exit bool
}

// Idleness is about having no workers while there is nothing to do.
type Idleness struct {
	// After is how long nothing may happen. Zero: for ever.
	After time.Duration
	// Die: the vassal ends then. Otherwise only its workers do.
	Die bool
	// Cheap: workers are not started before the first connection.
	Cheap bool
}

// Daemon is a program that lives beside the workers.
type Daemon struct {
	Command []string
	// Text is the command as it was written. Shell: it is for a shell to run, in
	// place of Command.
	Text  string
	Shell bool
	// Control: the vassal ends when it does.
	Control bool
	// Pidfile says where it is, when it is not this master's child: it survives
	// reloads. Daemonize: the master puts it into the background and writes the
	// file. Freq is how many seconds it may take to appear.
	Pidfile   string
	Daemonize bool
	Freq      int
	// StopSignal ends it; zero: SIGTERM. ReloadSignal is sent on a reload
	// instead of replacing it; zero: it is replaced.
	StopSignal, ReloadSignal syscall.Signal
	// Touch are files whose change restarts it.
	Touch []string
	// NewPID: it is the first process of a new pid namespace, whose end is the end of all
	// it started. That takes root's rights.
	NewPID bool
	// Stdin: it keeps the standard input of the master. Otherwise there is nothing to read.
	Stdin bool
	// MaxPause bounds the time until one that has died is started again. Zero: as
	// for workers.
	MaxPause time.Duration
	// Dir is its working directory. Empty: the master's.
	Dir string
	// UID and GID it becomes, if the master may.
	UID, GID Identity
}
