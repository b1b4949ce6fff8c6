package config

import (
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Emperor is what an operator may say to the emperor.
type Emperor struct {
	// Monitors are the places to watch, in the order given. Never empty.
	Monitors []string
	// Clone lists the new namespaces of each vassal. Zero: none.
	Clone namespaces.Flags
	// Hooks are those of the emperor's phases, as-vassal among them.
	Hooks hooks.Set
	// HookTimeout bounds each hook. Zero: no bound.
	HookTimeout time.Duration
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
	// JSONLog writes the log as one JSON object a line.
	JSONLog bool
	// LogLevel is the lowest level that is logged.
	LogLevel slog.Level
	// Backoff is the pause after a first failure, BackoffMax the longest, and
	// BackoffReset how long a vassal must run for its failures to be forgotten.
	Backoff, BackoffMax, BackoffReset time.Duration
	// Concurrency is how many vassals are launched at a time. Never zero.
	Concurrency int
}

// defaultEmperor is what an emperor does that is told nothing.
func defaultEmperor() *Emperor {
	return &Emperor{
		Hooks: hooks.Set{}, HookTimeout: 30 * time.Second, Rescan: 30 * time.Second, ReloadMercy: 60 * time.Second,
		Backoff: 500 * time.Millisecond, BackoffMax: 30 * time.Second, BackoffReset: 10 * time.Second,
		Concurrency: 2 * runtime.NumCPU(),
	}
}

// emperorOptions is the emperor's table, sorted by name within each group.
func emperorOptions() table[Emperor] {
	return append(table[Emperor]{
		{name: "emperor", group: "Monitors", arg: "DIR", repeat: true, help: "directory of vassals to watch",
			set: func(e *Emperor, v value) error {
				dir := strings.TrimPrefix(v.text, "dir://")
				if dir == "" {
					return hinted{"no directory given", "such as /etc/vassals"}
				}
				e.Monitors = append(e.Monitors, dir)
				return nil
			}},
		{name: "emperor-freq", group: "Monitors", arg: "TIME", def: "30", help: "time between full looks, under the events; 0: never",
			set: duration(func(e *Emperor) *time.Duration { return &e.Rescan })},

		{name: "emperor-backoff", group: "Vassals", arg: "TIME", def: "500ms", help: "pause after a vassal's first failure; doubles with each",
			set: positive(func(e *Emperor) *time.Duration { return &e.Backoff })},
		{name: "emperor-backoff-max", group: "Vassals", arg: "TIME", def: "30", help: "longest pause between two launches of a vassal",
			set: positive(func(e *Emperor) *time.Duration { return &e.BackoffMax })},
		{name: "emperor-backoff-reset", group: "Vassals", arg: "TIME", def: "10", help: "how long a vassal must run for its failures to be forgotten",
			set: positive(func(e *Emperor) *time.Duration { return &e.BackoffReset })},
		{name: "emperor-concurrency", group: "Vassals", arg: "N", def: "2 x CPUs", help: "how many vassals are launched at a time", set: setConcurrency},
		{name: "emperor-release", group: "Vassals", arg: "WHEN", def: "hooks", help: "when a vassal boots: after the as-emperor hooks (hooks) or beside them (early)", set: setRelease},
		{name: "emperor-use-clone", group: "Vassals", arg: "LIST", guard: true, help: "new namespaces of each vassal: pid,uts,net,ipc,fs,user,cgroup", set: setClone},
		{name: "emperor-vassal", group: "Vassals", arg: "PATH", def: "beside the emperor", help: "the vassal program",
			set: func(e *Emperor, v value) error { e.VassalProgram = v.text; return nil }},
		{name: "reload-mercy", group: "Vassals", arg: "TIME", def: "60", help: "time between asking a vassal to stop and killing it",
			set: duration(func(e *Emperor) *time.Duration { return &e.ReloadMercy })},

		{name: "emperor-hook-timeout", group: "Hooks", arg: "TIME", def: "30", help: "bound of each hook; 0: none",
			set: duration(func(e *Emperor) *time.Duration { return &e.HookTimeout })},

		{name: "gid", group: "Process", arg: "GROUP", guard: true, help: "group of the emperor itself", set: identity(func(e *Emperor) *Identity { return &e.GID })},
		{name: "log-format", group: "Process", arg: "FORMAT", def: "text", help: "text, or json for one object a line", set: setLogFormat},
		{name: "log-level", group: "Process", arg: "LEVEL", def: "info", help: "debug, info, warn or error",
			set: func(e *Emperor, v value) error {
				if e.LogLevel.UnmarshalText([]byte(v.text)) != nil {
					return hinted{"unknown level " + strconv.Quote(v.text), "debug, info, warn or error"}
				}
				return nil
			}},
		{name: "uid", group: "Process", arg: "USER", guard: true, help: "user of the emperor itself", set: identity(func(e *Emperor) *Identity { return &e.UID })},
	}, hookOptions(hooks.Emperor, func(e *Emperor) hooks.Set { return e.Hooks })...)
}

func setConcurrency(e *Emperor, v value) error {
	n, err := strconv.Atoi(v.text)
	if err != nil || n < 1 {
		return hinted{strconv.Quote(v.text) + " is not a number of vassals", "1 or more"}
	}
	e.Concurrency = n
	return nil
}

func setRelease(e *Emperor, v value) error {
	switch v.text {
	case "hooks", "early":
		e.EarlyRelease = v.text == "early"
		return nil
	}
	return hinted{"unknown time " + strconv.Quote(v.text), "hooks or early"}
}

func setClone(e *Emperor, v value) (err error) {
	e.Clone, err = namespaces.ParseFlags(v.text)
	return err
}

func setLogFormat(e *Emperor, v value) error {
	switch v.text {
	case "text", "json":
		e.JSONLog = v.text == "json"
		return nil
	}
	return hinted{"unknown format " + strconv.Quote(v.text), "text or json"}
}
