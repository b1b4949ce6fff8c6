// Package emperor decides which vassals run, and when they are launched, reloaded and stopped.
//
// One goroutine, the one in Run, owns the record of every vassal. Monitors, launches, processes
// and timers report to it by events. It looks each event up in the table of states.go, and the
// effect is carried out elsewhere. Nothing in it blocks, so a vassal that fails delays no other.
package emperor

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/network/spec"
	"github.com/emperor-go/emperor/pkg/wire"
)

// Options configures an Emperor.
type Options struct {
	// Monitors report the vassals that should exist. At least one.
	Monitors []monitor.Monitor
	// Inherited are vassals of an earlier emperor. Empty: there was none.
	Inherited []Inherited
	// Launcher makes processes of configurations. Required.
	Launcher Launcher
	// Activator has the sockets of on-demand vassals. Nil: no vassal is on demand.
	Activator Activator
	// WaitObserver is notified of on-demand vassals that wait. Nil: no notification.
	WaitObserver WaitObserver
	// Check returns the facts of a configuration, or an error when it cannot be run: the
	// error is logged and nothing changes. It is called in a goroutine of its own. After
	// an error that is reads.ErrSlow it is called again. Nil: every configuration can be
	// run.
	Check func(monitor.Config) (Facts, error)
	// Compare returns the class of a change: whether a running vassal can take the new
	// configuration over. It is called in a goroutine of its own. Nil: every change
	// needs a new process.
	Compare func(was, is monitor.Config) Change
	// Backoff is the pause before a failed vassal is launched again. Required.
	Backoff Backoff
	// Mercy is the time between asking a vassal to stop and killing it.
	Mercy time.Duration
	// ChangePause is the longest pause between two processes that changes of a
	// vassal's file take. Zero: none.
	ChangePause time.Duration
	// ReloadTimeout is the time a vassal has to answer a reload. Zero: as long as it
	// takes.
	ReloadTimeout time.Duration
	// Heartbeat is the longest silence of a vassal that has sent a heartbeat.
	// Zero: any.
	Heartbeat time.Duration
	// CurseTolerance is the time between a vassal closing its pipe and its being
	// killed. Zero: it is not.
	CurseTolerance time.Duration
	// Concurrency is how many launches run at a time. A launch that takes longer
	// than a second, because its hooks do, no longer counts. Required.
	Concurrency int
	// Broodlord is how many zergs there may be in all. Zero: none.
	Broodlord int
	// OwnerMax is how many vassals a tenant can have. Zero: any number.
	OwnerMax int
	// Suspend reports whether a new vassal waits for the operator's start. Nil: no.
	Suspend func(name string) bool
	// Graceful stops vassals gracefully at shutdown.
	Graceful bool
	// KillNow makes a running shutdown kill at once, each time it delivers. Nil:
	// never.
	KillNow <-chan struct{}
	// Observe is called in the loop with the result of each hook of a vassal. It must not
	// block. Nil: no call.
	Observe func(hooks.Result)
	// Log gets one line per transition. Required.
	Log *slog.Logger
}

// Facts are the parts of a configuration's content that concern the loop and a launch.
type Facts struct {
	// Attributes are the entries of the vassal's section for the emperor.
	Attributes map[string]string
	// Hooks are the emperor's that only this vassal has, behind the hooks of all.
	Hooks hooks.Set
	// Addresses are the ones that it binds itself, as written, and Places the same
	// addresses independent of their spelling.
	Addresses []string
	Places    []Place
	// OwnNetwork: it is not in the emperor's network namespace.
	OwnNetwork bool
	// Network is its place in the network. Zero: it is not connected, or by hooks.
	Network spec.Wish
	// Cgroup has the limits of its processes; its name is the launcher's.
	Cgroup namespaces.CgroupWish
	// Tenant: a tenant owns its file.
	Tenant bool
	// Guest is the choice of other namespaces than its own.
	Guest Guest
	// Files are its view of the file system.
	Files Files
	// Filtered is its profile of system calls.
	Filtered Profile
	// LogTo is the destination of its output: a file, output.Journal, or empty for the
	// emperor's own log.
	LogTo string
	// Bounds limit its capabilities.
	Bounds Bounds
	// Account looks up its user and groups. Nil: it names none.
	Account func() (namespaces.Credentials, error)
	// Templates surround the configuration. Nil: none.
	Templates *wire.Templates
	// Reads are the variables of the environment that it names to be replaced.
	Reads Reads
	// Fallback: it cannot be used, but names another that a vassal falls back to.
	Fallback bool
	// Direct is a boot without the vassal program, for a vassal that needs nothing inside. Nil: it
	// needs the program.
	Direct DirectBoot
}

// Reads are variables of the environment.
type Reads struct {
	Names []string
	// More: there may be others, in a text that the emperor does not read.
	More bool
}

// Files are a vassal's view of the file system.
type Files struct {
	// System and Proc are its mounts.
	System namespaces.FileSystem
	Proc   namespaces.ProcView
	// Directories belong to its user. Make: it cannot make them itself.
	Directories []Directory
	Make        bool
	// PrivateIDs: all its ids are in its range, and binds show files of its user as its own.
	PrivateIDs bool
	// Temporary are the paths of directories that end with each generation.
	Temporary []string
}

// Directory is a directory of a vassal's user.
type Directory struct {
	Path string
	Mode uint32
}

// Plan is a configuration with its facts. It is not changed after it is made, because many
// parts of the emperor share it.
type Plan struct {
	monitor.Config
	Facts
	// Zerg is the reinforcement that it is for. Zero: it is for the vassal itself.
	Zerg Zerg
}

// Zerg is a reinforcement of a vassal.
type Zerg struct {
	// Number counts the zergs of a vassal, from 1. Of is the vassal that asked for it.
	Number int
	Of     string
}

// Change is the class of a change between two configurations.
type Change struct {
	// Respawn: a new process. Otherwise the running one takes it over.
	Respawn bool
	// Live are changed options that the emperor itself takes over. Without others the process
	// is not asked.
	Live []string
	// Options are the options that changed, or only the ones that force the respawn.
	Options []string
}

// Launcher makes a process of a configuration. Its methods are called from many
// goroutines at a time.
type Launcher interface {
	// Launch blocks until the process has everything it needs to boot, or until
	// there is nothing left of the attempt. When ctx ends it gives up.
	Launch(ctx context.Context, r Request) (Process, error)
}

// Request is the input of a launch.
type Request struct {
	// Plan is the configuration to run. It must not be changed.
	*Plan
	// Generation counts the launches of this vassal, from 1, and Order the launches of all
	// vassals.
	Generation, Order uint64
	// Socket is where an on-demand vassal finds its connections. Nil: it is not on
	// demand. It belongs to the Activation and outlives the process.
	Socket *os.File
	// Host is the process whose network it has. Nil: it has its own.
	Host Process
	// Kept are the listening sockets of the generation before. They belong to the loop.
	Kept namespaces.Sockets
	// Unbound are unix sockets without an address, for the paths that it binds. They belong to the Launcher.
	Unbound namespaces.Sockets
	// Trial: another configuration has been ready before, and runs again unless this one
	// becomes ready and stays so for a second. Reverted: this is that other configuration, which is used as it
	// was, with its templates.
	Trial, Reverted bool
	// Hooking is called for each hook that begins, and Hooked for each that has run, from
	// any goroutine. Nil: no call.
	Hooking, Hooked func(hooks.Result)
	// Disconnected is called, from any goroutine, when its network is lost while it runs, and with an
	// empty reason when it is there again. Nil: it is not called.
	Disconnected func(reason string)
	// Log carries the vassal's name already.
	Log *slog.Logger
}

// Process is one generation of a vassal. Watch and then Clear are called once
// each, from goroutines of their own, as is Reload; PID, Stop and Kill from the
// loop, at any time until Clear is called, and must not block.
type Process interface {
	// PID is the process id in the emperor's namespace.
	PID() int
	// Watch calls report for each message of the vassal, not faster than the loop can
	// bear, and over after the last call, when the process is dead and reaped. It
	// may return long before.
	Watch(report func(Message), over func(Exit))
	// Reload asks the process to take over p. The result arrives as a Message. An
	// error means that the process cannot be asked.
	Reload(p Plan, serial uint64) error
	// Restore makes objects in the file system again that belong to the process and that
	// other processes have removed. It is called at any time, from goroutines of their own.
	Restore()
	// KeepSockets makes Stop take the listening sockets of the process first, so that connections
	// that wait there are not reset.
	KeepSockets()
	// KeptSockets returns these sockets after Clear; the caller closes them.
	KeptSockets() namespaces.Sockets
	// Stop asks the process to end; gracefully, if it knows the difference.
	Stop(graceful bool)
	// Kill ends it, and in time all that it started.
	Kill()
	// Clear removes the remaining resources of the generation, runs the hooks of its end, which
	// are called off when ctx ends, and returns when all that is confirmed.
	Clear(ctx context.Context) error
	// LastLine is the last line that the program of the generation printed, and not
	// vassal or its kin; empty: none is known. It is called after Clear.
	LastLine() string
}

// Message is a report of a vassal, in any protocol: wire.Report, wire.Notice,
// Notification or Closed.
type Message any

// Notification is a report by sd_notify(3).
type Notification struct {
	Ready, Reloading, Stopping, Watchdog bool
	// Status is nil in a message without a status.
	Status *string
}

// Closed is the report of a vassal that closes its pipe while it lives.
type Closed struct{}

// Activator has the sockets of on-demand vassals.
type Activator interface {
	// Activate binds the socket of a vassal. It returns nil when the vassal is not
	// on demand. It is called in a goroutine of its own and may block until ctx
	// ends.
	Activate(ctx context.Context, p Plan) (Activation, error)
}

// WaitObserver is notified of vassals that wait on demand. Its methods are called in
// goroutines of their own and return early when ctx ends; a vassal is not started
// before they have returned.
type WaitObserver interface {
	// Waiting: the socket is bound, and waits for its first connection.
	Waiting(ctx context.Context, r Request)
	// Changed: the vassal has another configuration than the one it waited with.
	Changed(ctx context.Context, r Request)
}

// Activation is a socket that starts a vassal. It is there from the first time
// the vassal waits until the vassal is gone.
type Activation interface {
	// String is the address.
	String() string
	// Conflicts reports whether a vassal that binds that place itself would get in its
	// way. It does not block.
	Conflicts(own Place) bool
	// Wait blocks until a connection waits to be accepted, or ctx ends.
	Wait(ctx context.Context) error
	// Socket is the listening socket.
	Socket() *os.File
	// Lost reports whether its path was removed, so that no client finds it. It may
	// block until ctx ends.
	Lost(ctx context.Context) bool
	// Close closes the socket and removes its path.
	Close() error
}

// Emperor supervises vassals. Make it with New and call Run once.
type Emperor struct {
	*mailbox
	options Options
	checks  atomic.Uint64 // rounds of checks; one of an earlier round is old

	// Owned by the loop.
	vassals    roster
	sets       map[int][]*Plan // the last of each monitor
	reconciled int             // how many monitors' first sets count
	line       launchLine
	launches   uint64 // of all vassals
	round      round
	zergs      int
	feed       feed
	stopping   bool
	lost       bool              // a vassal that does not end
	actions    map[Effect]action // does not change
	err        error
}

// slowLaunch is when a launch stops counting against the concurrency: by then it
// is waiting for something, not working.
const slowLaunch = time.Second

// New returns an Emperor that does nothing yet.
func New(o Options) *Emperor {
	return &Emperor{
		actions: newActions(), options: o, mailbox: newMailbox(), vassals: newRoster(), sets: map[int][]*Plan{},
	}
}

// Run supervises until ctx ends, then stops every vassal and returns nil when
// nothing of them is left that can be ended. It returns an error, after the same cleaning up, when
// a monitor cannot begin.
func (e *Emperor) Run(ctx context.Context) error {
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	adopt(e)
	for i, m := range e.options.Monitors {
		r := newReview(e, i)
		e.group.Go(func() { r.run(watching, m) })
	}
	shutdown, hurry := ctx.Done(), e.options.KillNow
	for !e.stopping || len(e.vassals.named) > 0 {
		select {
		case ev := <-e.events:
			ev.apply(e)
		case <-shutdown:
			shutdown = nil
			e.stopAll()
		case <-hurry:
			e.killAll()
		}
		e.startQueued()
		e.reloadNext()
	}
	stopWatching()
	close(e.done)
	e.feed.close()
	e.wait(e.lost)
	return e.err
}

// stopAll makes shutdown a wish: every vassal is dropped, and the loop goes on
// until none is left that can end.
func (e *Emperor) stopAll() {
	if e.stopping {
		return
	}
	e.stopping = true
	e.options.Log.Info("stopping", "vassals", len(e.vassals.named))
	for _, v := range e.vassals.named {
		v.wish.withdrawn = true
		e.input(v, Drop)
		e.input(v, End)
	}
}

func (e *Emperor) killAll() {
	if !e.stopping {
		return
	}
	e.options.Log.Warn("second request to stop: the remaining vassals are killed", "vassals", len(e.vassals.named))
	for _, v := range e.vassals.named {
		e.input(v, KillNow)
	}
}

// startQueued lets vassals launch while there are places.
func (e *Emperor) startQueued() {
	for v := e.line.next(e.options.Concurrency); v != nil; v = e.line.next(e.options.Concurrency) {
		e.input(v, Slot)
	}
}

// errCancelled is the cause of a cancelled launch.
var errCancelled = errors.New("the launch was called off")
