package config

import (
	"log/slog"
	"runtime"
	"strings"
	"time"

	"github.com/emperor-go/emperor/internal/dialect"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Emperor is the emperor's configuration.
type Emperor struct {
	// Monitors lists the sources to watch, in the given order: directories, and patterns with or
	// without glob://. Never empty.
	Monitors []string
	// Monitor has the options of all monitors.
	Monitor Monitoring
	// CommandSocket is the address that receives commands as uWSGI's datagrams. Empty: none.
	CommandSocket string
	// CommandRemote permits a UDP address for CommandSocket that is not a loopback address.
	CommandRemote bool
	// Clone lists the new namespaces of each vassal. Zero: none.
	Clone namespaces.Flags
	// IDs are the ids of vassals in new user namespaces.
	IDs IDRanges
	// Hooks of the emperor's phases, including as-vassal.
	Hooks hooks.Set
	// Allowed are the hook options that a vassal's own file may contain in its section [emperor].
	Allowed []string
	// Around is the environment of hooks.
	Around Surroundings
	// HookTimeout limits each hook. Zero: no limit.
	HookTimeout time.Duration
	// HookConcurrency limits the vassals whose hooks run in the emperor at the same time: before
	// the clone, after it, and after the end. Never zero.
	HookConcurrency int
	// EarlyRelease lets a vassal boot while its as-emperor hooks run.
	EarlyRelease bool
	// Rescan is the interval of full rescans of the monitors. Zero: never.
	Rescan time.Duration
	// ReloadMercy is the time between the request to stop a vassal and SIGKILL.
	ReloadMercy time.Duration
	// VassalProgram is the path of the vassal program. Empty: the program in the emperor's
	// directory.
	VassalProgram string
	// UID and GID are the emperor's own user and group. Not set: unchanged.
	UID, GID Identity
	// RefuseRoot makes a vassal without a user an error when it would be root.
	RefuseRoot bool
	// Tyrant makes vassals run as the owners of their files.
	Tyrant Tyrant
	// Capabilities are all that a vassal and its programs can have from its own hooks on. Not set:
	// the emperor's.
	Capabilities Capabilities
	// InheritKeyring passes the emperor's session keyring to vassals.
	InheritKeyring bool
	// Env are changes of the emperor's environment, in order. Pass names additional variables
	// that vassals get.
	Env  []EnvChange
	Pass Passed
	// JSONLog writes the log as one JSON object per line.
	JSONLog bool
	// LogFormat is set when the operator has chosen the form of the log.
	LogFormat bool
	// LogLevel is the lowest level that is logged.
	LogLevel slog.Level
	// Backoff is the pause after the first failure and BackoffMax the longest pause. A vassal
	// that runs for BackoffReset has no failures any more.
	Backoff, BackoffMax, BackoffReset time.Duration
	// FlatBackoff makes every pause as long as the first.
	FlatBackoff bool
	// Concurrency limits the vassals that are launched at the same time. Never zero.
	Concurrency int
	// Life, OnDemand, Wrapping, Network and Limiting are described with their options.
	Life     Life
	OnDemand OnDemand
	Wrapping Wrapping
	Network  Networking
	Limiting Limiting
	// Templates are included around the file of each vassal.
	Templates TemplateFiles
	// RuntimeDir is the directory of the emperor's own sockets. Empty: the default of its
	// user.
	RuntimeDir string
	// ControlGroup commands the emperor, and ControlReadGroup sees all vassals, at the control
	// socket. Not set: no group.
	ControlGroup, ControlReadGroup Identity
	// Stats and Metrics are addresses for statistics about vassals. Empty: none.
	Stats, Metrics string
	// Trace is the URL that receives traces of launches. Empty: none.
	Trace string
	// Web is the page for browsers.
	Web Web
	// Pidfile is a file for the emperor's pid, and Procname the name of its process. Empty: none.
	Pidfile, Procname string
	// Process has the options of the emperor's own process.
	Process Process
	// Subreaper makes the emperor adopt orphans.
	Subreaper bool

	entries []dialect.Entry // the source of the options
	unsure  doubts
}

// Unsure reports whether an option may be missing only because its value is invalid. It is
// meaningful only after ExamineEmperor has found mistakes.
func (e *Emperor) Unsure(option string) bool { return e.unsure.about(option) }

// RuntimeDir is the default directory of the sockets of an emperor that is root.
const RuntimeDir = "/run/emperor"

// defaultBackoffMax is the longest pause, unless the first pause is longer.
const defaultBackoffMax = 30 * time.Second

// defaultEmperor returns the defaults of an emperor.
func defaultEmperor() *Emperor {
	return &Emperor{
		Hooks: hooks.Set{}, Process: Process{Hooks: hooks.Set{}}, HookTimeout: 30 * time.Second, HookConcurrency: 1, Rescan: 30 * time.Second,
		ReloadMercy: 60 * time.Second,
		Backoff:     500 * time.Millisecond, BackoffReset: 10 * time.Second,
		Pass:        strings.Fields(passed),
		Tyrant:      defaultTyrant(),
		Concurrency: 2 * runtime.NumCPU(), Life: defaultLife(), OnDemand: OnDemand{Mode: 0o666}, Network: Networking{Timeout: 10 * time.Second},
	}
}
