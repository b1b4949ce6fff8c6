// Package control is the operators' interface to an emperor. It speaks HTTP with JSON on a
// unix socket; docs/control.md describes it for people, and docs/rights.md the rights of clients. It gets
// its information from questions to the emperor's loop and from transitions; a client cannot slow down the loop.
package control

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/emperor-go/emperor/internal/eventlog"
	"github.com/emperor-go/emperor/internal/output"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// prefix begins every path of this version. Within a version no field is removed or changed;
// fields may be added.
const prefix = "/v1"

// Vassal is a vassal in lists.
type Vassal struct {
	emperor.Record
	// Restarts are launches after the first one.
	Restarts int `json:"restarts"`
	// Error is the last error that is not corrected yet. Several errors have lines of their
	// own.
	Error string `json:"error,omitempty"`
	// RunsAs is the user of its first process. Nil: no process.
	RunsAs *uint32 `json:"runs_as_uid,omitempty"`
	Usage
}

// Usage is the resource usage of a vassal's processes.
type Usage struct {
	// Memory is the memory of its processes in bytes, counted by MemoryBy.
	Memory   uint64       `json:"memory_bytes"`
	MemoryBy MemorySource `json:"memory_by,omitempty"`
	// CPU is the time used, in seconds.
	CPU float64 `json:"cpu_seconds"`
	// OOMKills is how many processes in its cgroup the OOM killer has killed. Nil: not
	// counted.
	OOMKills *int `json:"oom_kills,omitempty"`
	// Tasks are its processes and threads, as far as its cgroup counts them, and TasksMax and
	// MemoryMax the limits of its cgroup. Zero: not counted, or no limit.
	Tasks     uint64 `json:"tasks,omitempty"`
	TasksMax  uint64 `json:"tasks_max,omitempty"`
	MemoryMax uint64 `json:"memory_max_bytes,omitempty"`
	// Throttled is the time in seconds during which cpu-quota stopped it.
	Throttled float64 `json:"throttled_seconds,omitempty"`
	// LimitHits counts how often it met a limit, by the name of the option.
	LimitHits map[string]uint64 `json:"limit_hits,omitempty"`
}

// MemorySource is a way to count memory.
type MemorySource string

// The sources, the best first.
const (
	// MemoryCharged is the memory charged to the vassal's cgroup, with files that it has read.
	MemoryCharged MemorySource = "cgroup"
	// MemoryShared counts a page that several processes share in parts, ten seconds apart.
	MemoryShared MemorySource = "pss"
	// MemoryResident counts such a page in each process: the emperor may not look closer.
	MemoryResident MemorySource = "rss"
)

// Status is all information about one vassal.
type Status struct {
	Vassal
	// Namespaces of its first process, such as "net": "net:[4026531840]".
	Namespaces map[string]string `json:"namespaces,omitempty"`
	// Links are the interfaces of its network, if that is its own.
	Links []namespaces.Link `json:"links,omitempty"`
	// Cgroup is its own directory; empty: none.
	Cgroup string `json:"cgroup,omitempty"`
	// Exits are the last ones, the newest last, and Lines its last output.
	Exits []eventlog.Exit `json:"exits"`
	Lines []output.Line   `json:"lines"`
}

// Info is about the emperor itself.
type Info struct {
	Version  string    `json:"version"`
	PID      int       `json:"pid"`
	Started  time.Time `json:"started"`
	Monitors []string  `json:"monitors"`
	// Namespaces are the new ones of each vassal, separated by commas. Nil: the emperor does
	// not report them.
	Namespaces *string `json:"namespaces,omitempty"`
	// Vassals counts them by state.
	Vassals map[emperor.State]int `json:"vassals"`
	// Failures counts how often the service of a socket failed, and was started again: control, stats,
	// metrics or web. Services without a failure are absent.
	Failures map[string]uint64 `json:"failures,omitempty"`
}

// Answer is the result of a verb.
type Answer struct {
	Name string `json:"name"`
	// Done is false while the operation has only begun.
	Done bool `json:"done"`
	// Error is the reason of a failure.
	Error string `json:"error,omitempty"`
	// Vassal is its record then.
	Vassal emperor.Record `json:"vassal"`
}

// Error is the body of every answer that is not a success.
type Error struct {
	Message string `json:"error"`
	// Near are names that the client may have meant.
	Near []string `json:"near,omitempty"`
	// Code is the HTTP status.
	Code int `json:"code"`
}

func (f *Error) Error() string { return f.Message }

// wrong returns the current errors of a vassal, each in a line, the most harmful first. quote
// adds to the exit of a worker.
func wrong(r emperor.Record, quote func(end string) string) string {
	var lines []string
	if r.WorkerDeaths != nil && r.WorkerDeaths.Recent > 0 && r.PID != 0 {
		lines = append(lines, dying(r, quote, time.Now()))
	}
	if r.Fault != "" {
		lines = append(lines, r.Fault)
	}
	if r.ReloadError != "" {
		lines = append(lines, "cannot reload: "+quote(r.ReloadError))
	}
	switch serving := r.State == emperor.Running || r.State == emperor.Reloading; {
	case serving: // the end of an earlier process does not matter any more
	case r.LaunchError != "":
		lines = append(lines, "cannot launch: "+r.LaunchError)
	case r.PID != 0 && failedOutside(r) != "":
		lines = append(lines, failedOutside(r))
	case r.Failures > 0 && r.ExitReason != "":
		lines = append(lines, r.ExitReason)
	}
	return strings.Join(lines, "\n")
}

// verbatim quotes nothing.
func verbatim(end string) string { return end }

// failedOutside returns the newest failure of an emperor's hook for this generation: a booting
// vassal may wait for the result of the hook.
func failedOutside(r emperor.Record) string {
	for _, h := range slices.Backward(r.Hooks) {
		info, ok := h.Phase.Info()
		if ok && !info.Inside() && h.Generation == r.Generation && h.Result != "ok" {
			return fmt.Sprintf("hook %s #%d (%s): %s", h.Phase, h.Index, h.Hook, h.Result)
		}
	}
	return ""
}

// dying describes the deaths of workers in a running vassal.
func dying(r emperor.Record, quote func(end string) string, now time.Time) string {
	d := r.WorkerDeaths
	text := fmt.Sprintf("its workers die, %d in a row, the last: %s", d.Recent, quote(d.Exit))
	if wait := d.Next.Sub(now); wait > 0 {
		text += fmt.Sprintf("; the next one in %v", max(wait.Round(time.Second), time.Second))
	}
	return text
}

func (s *Server) vassal(r emperor.Record, m Measurement) Vassal {
	if r.Address == "" && len(r.Addresses) > 0 {
		r.Address = r.Addresses[0]
	}
	quote := func(end string) string { return s.quoted(r.Name, end) }
	return Vassal{Record: r, Restarts: max(0, r.Launches-1), Error: wrong(r, quote), RunsAs: m.User, Usage: m.Usage}
}
