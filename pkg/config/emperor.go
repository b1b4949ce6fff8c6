package config

import (
	"log/slog"
	"runtime"
	"strings"
	"time"

	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Emperor is what an operator may say to the emperor.
type Emperor struct {
	// Monitors are the places to watch, in the order given: directories, and patterns
	// with glob:// or without. Never empty.
	Monitors []string
	// Monitor is how all of them look at files.
	Monitor Monitoring
	// CommandSocket is where commands come as datagrams of uWSGI's. Empty: nowhere.
	CommandSocket string
	// Clone lists the new namespaces of each vassal. Zero: none.
	Clone namespaces.Flags
	// Hooks are those of the emperor's phases, as-vassal among them.
	Hooks hooks.Set
	// Allowed are options of hooks that a vassal's own file may give, in its section
	// [emperor].
	Allowed []string
	// Around is what hooks find around them.
	Around Surroundings
	// HookTimeout bounds each hook. Zero: no bound.
	HookTimeout time.Duration
	// HookConcurrency is of how many vassals the hooks before the clone, after it and
	// after the end run at a time. Never zero.
	HookConcurrency int
	// EarlyRelease lets a vassal boot beside its as-emperor hooks.
	EarlyRelease bool
	// Rescan is the time between full looks at the monitors. Zero: never.
	Rescan time.Duration
	// ReloadMercy is the time between asking a vassal to stop and killing it.
	ReloadMercy time.Duration
	// VassalProgram is the path of the vassal program. Empty: the one beside the
	// emperor.
	VassalProgram string
	// UID and GID are what the emperor itself becomes. Not set: it stays.
	UID, GID Identity
	// RefuseRoot makes a mistake of a vassal that would be root and does not say so.
	RefuseRoot bool
	// InheritKeyring leaves vassals the emperor's session keyring.
	InheritKeyring bool
	// Env are changes of the environment of the emperor, in order, and Pass what of it
	// vassals get beside these.
	Env  []EnvChange
	Pass Passed
	// JSONLog writes the log as one JSON object a line.
	JSONLog bool
	// LogLevel is the lowest level that is logged.
	LogLevel slog.Level
	// Backoff is the pause after a first failure, BackoffMax the longest, and
	// BackoffReset how long a vassal must run for its failures to be forgotten.
	Backoff, BackoffMax, BackoffReset time.Duration
	// FlatBackoff makes every pause as long as the first.
	FlatBackoff bool
	// Concurrency is how many vassals are launched at a time. Never zero.
	Concurrency int
	// Life, OnDemand and Wrapping are described with their options.
	Life     Life
	OnDemand OnDemand
	Wrapping Wrapping
	// Templates stand around the file of each vassal.
	Templates TemplateFiles
	// RuntimeDir is the directory of the emperor's own sockets. Empty: the usual one of
	// its user.
	RuntimeDir string
	// Stats and Metrics are addresses that tell about vassals. Empty: none.
	Stats, Metrics string
	// Pidfile gets the emperor's pid, and Procname is the name of its process.
	// Empty: none.
	Pidfile, Procname string
	// Process is what the emperor's process gives itself.
	Process Process
	// Subreaper makes the emperor adopt orphans.
	Subreaper bool

	entries []entry // what all of it was read from
	unsure  doubts
}

// Unsure reports whether an option may have been given and was not understood. Only
// after ExamineEmperor has found mistakes.
func (e *Emperor) Unsure(option string) bool { return e.unsure.about(option) }

// RuntimeDir is the usual directory of the sockets of an emperor that is root.
const RuntimeDir = "/run/emperor"

// defaultBackoffMax is the longest pause, unless the first one is longer.
const defaultBackoffMax = 30 * time.Second

// defaultEmperor is what an emperor does that is told nothing.
func defaultEmperor() *Emperor {
	return &Emperor{
		Hooks: hooks.Set{}, Process: Process{Hooks: hooks.Set{}}, HookTimeout: 30 * time.Second, HookConcurrency: 1, Rescan: 30 * time.Second, ReloadMercy: 60 * time.Second,
		Backoff: 500 * time.Millisecond, BackoffReset: 10 * time.Second,
		Pass:        strings.Fields(passed),
		Concurrency: 2 * runtime.NumCPU(), Life: defaultLife(), OnDemand: OnDemand{Mode: 0o666},
	}
}
