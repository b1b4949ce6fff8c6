// Package control answers one question: what does an operator see, and what can
// be asked for? It speaks HTTP with JSON on a unix socket that only root and the
// emperor's own user can use; docs/control.md describes it for people. What it
// knows it learns from the emperor's loop by questions and from its transitions;
// nothing that a client does can slow the loop.
package control

import (
	"fmt"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/output"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Prefix begins the path of everything in this version. What is in a version
// stays; fields are added.
const Prefix = "/v1"

// Vassal is what there is to know about one, for lists.
type Vassal struct {
	emperor.Record
	// Restarts are launches after the first one.
	Restarts int `json:"restarts"`
	// Error is the last thing that went wrong and has not been put right since.
	Error string `json:"error,omitempty"`
	// RunsAs is the user of its first process. Nil: it has none.
	RunsAs *uint32 `json:"runs_as_uid,omitempty"`
	Usage
}

// Usage is what the processes of a vassal take.
type Usage struct {
	// Memory is resident or charged to its cgroup, in bytes.
	Memory uint64 `json:"memory_bytes"`
	// CPU is the time used, in seconds.
	CPU float64 `json:"cpu_seconds"`
	// OOMKills is how many processes the kernel has killed in its cgroup for want of
	// memory. Nil: nothing counts that.
	OOMKills *int `json:"oom_kills,omitempty"`
}

// Status is everything about one vassal.
type Status struct {
	Vassal
	// Namespaces of its first process, such as "net": "net:[4026531840]".
	Namespaces map[string]string `json:"namespaces,omitempty"`
	// Links are the interfaces of its network, if that is its own.
	Links []namespaces.Link `json:"links,omitempty"`
	// Cgroup is the directory of its own; empty: it has none.
	Cgroup string `json:"cgroup,omitempty"`
	// Exits are the last ones, the newest last, and Lines what it printed last.
	Exits []Exit        `json:"exits"`
	Lines []output.Line `json:"lines"`
}

// Exit is the end of one generation.
type Exit struct {
	Time       time.Time `json:"time"`
	Generation uint64    `json:"generation"`
	// Text is how it ended; From is the state it ended in: stopping or killing when
	// it was asked to.
	Text string        `json:"text"`
	From emperor.State `json:"from"`
	// OOMKills is how many of its processes the kernel had killed for want of memory.
	OOMKills int `json:"oom_kills,omitempty"`
	// Uptime is how long it lived, in seconds.
	Uptime float64 `json:"uptime_seconds"`
}

// Info is about the emperor itself.
type Info struct {
	Version  string    `json:"version"`
	PID      int       `json:"pid"`
	Started  time.Time `json:"started"`
	Monitors []string  `json:"monitors"`
	// Namespaces are the new ones of each vassal, by commas. Nil: an emperor that does
	// not say it.
	Namespaces *string `json:"namespaces,omitempty"`
	// Vassals counts them by state.
	Vassals map[emperor.State]int `json:"vassals"`
}

// Answer is what became of something that was asked for.
type Answer struct {
	Name string `json:"name"`
	// Done is false while it has only begun.
	Done bool `json:"done"`
	// Error says why it came to nothing.
	Error string `json:"error,omitempty"`
	// Vassal is its record then.
	Vassal emperor.Record `json:"vassal"`
}

// Failure is the body of every answer that is not a success.
type Failure struct {
	Message string `json:"error"`
	// Near are names that may have been meant.
	Near []string `json:"near,omitempty"`
	// Code is the HTTP status.
	Code int `json:"code"`
}

func (f *Failure) Error() string { return f.Message }

// Event is a transition, shortened, or something else worth telling of a vassal.
type Event struct {
	Time   time.Time `json:"time"`
	Vassal string    `json:"vassal"`
	// What is State for a transition, or what Text is about.
	What emperor.Topic `json:"what"`
	// From and To are the states of a transition, and otherwise both that of then.
	From       emperor.State `json:"from"`
	To         emperor.State `json:"to"`
	Generation uint64        `json:"generation"`
	PID        int           `json:"pid,omitempty"`
	Config     string        `json:"config,omitempty"`
	// Text is what there is to say about it, such as an exit or an error.
	Text string `json:"text,omitempty"`
	// Lost is how many events before this one were missed.
	Lost int `json:"lost,omitempty"`
}

// AboutState is what an event of a transition is about.
const AboutState emperor.Topic = "state"

// event shortens a transition.
func event(t emperor.Transition) Event {
	r := t.Record
	e := Event{
		Time: t.Time, Vassal: r.Name, What: AboutState, From: t.From, To: t.To, Generation: r.Generation, PID: r.PID,
		Config: r.Config, Lost: t.Lost,
	}
	if t.Note != nil {
		e.What, e.Text = t.Note.About, t.Note.Text
		return e
	}
	switch t.To {
	case emperor.Clearing:
		e.Text = r.Exit
	case emperor.Settled:
		e.Text = r.LaunchError
	case emperor.Idle:
		e.Text = r.Why
	case emperor.Waiting:
		e.Text = r.Address
	case emperor.Running:
		if t.From == emperor.Reloading && r.ReloadError != "" {
			e.Text = "cannot reload: " + r.ReloadError
		}
	}
	return e
}

// wrong is the last thing that went wrong with a vassal and has not been put right.
func wrong(r emperor.Record) string {
	switch {
	case r.Fault != "":
		return r.Fault
	case r.ReloadError != "":
		return "cannot reload: " + r.ReloadError
	case r.LaunchError != "":
		return "cannot launch: " + r.LaunchError
	case r.WorkerDeaths != nil && r.WorkerDeaths.Recent > 0 && r.PID != 0:
		return dying(r, time.Now())
	case r.Failures > 0 && r.Exit != "":
		return r.Exit
	}
	return ""
}

// dying says of a vassal that runs that its workers do not.
func dying(r emperor.Record, now time.Time) string {
	d := r.WorkerDeaths
	text := fmt.Sprintf("its workers die, %d in a row, the last: %s", d.Recent, d.Exit)
	if wait := d.Next.Sub(now); wait > 0 {
		text += fmt.Sprintf("; the next one in %v", max(wait.Round(time.Second), time.Second))
	}
	return text
}

func (s *Server) vassal(r emperor.Record) Vassal {
	if r.Address == "" && len(r.Addresses) > 0 {
		r.Address = r.Addresses[0]
	}
	v := Vassal{Record: r, Restarts: max(0, r.Launches-1), Error: s.explained(r, wrong(r)), Usage: s.Meter.Of(r.PID)}
	if uid, ok := namespaces.UserOf(r.PID); ok {
		v.RunsAs = &uid
	}
	return v
}
