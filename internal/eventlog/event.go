package eventlog

import (
	"time"

	"github.com/emperor-go/emperor/pkg/emperor"
)

// Event is a shortened transition, or another event of a vassal.
type Event struct {
	Time time.Time `json:"time"`
	// Vassal is its name. Empty: the event is about the emperor.
	Vassal string `json:"vassal"`
	// What is State for a transition, or the topic of Text.
	What emperor.Topic `json:"what"`
	// From and To are the states of a transition; in other events both are the current state.
	From       emperor.State `json:"from"`
	To         emperor.State `json:"to"`
	Generation uint64        `json:"generation"`
	PID        int           `json:"pid,omitempty"`
	Config     string        `json:"config,omitempty"`
	// Text describes it, such as an exit or an error.
	Text string `json:"text,omitempty"`
	// Owner is the user of the vassal's file.
	Owner uint32 `json:"-"`
	// Lost is how many events before this one were missed.
	Lost int `json:"lost,omitempty"`
}

// AboutState is the topic of a transition.
const AboutState emperor.Topic = "state"

// event shortens a transition.
func event(t *emperor.Transition) Event {
	r := t.Record
	e := Event{
		Time: t.Time, Vassal: r.Name, What: AboutState, From: t.From, To: t.To, Generation: r.Generation, PID: r.PID,
		Config: r.Config, Owner: r.UID, Lost: t.Lost,
	}
	if t.Note != nil {
		e.What, e.Text = t.Note.About, t.Note.Text
		return e
	}
	switch t.To {
	case emperor.Clearing:
		e.Text = r.Exit
	case emperor.Settled:
		if e.Text = r.LaunchError; t.From == emperor.Clearing && r.ExitReason != r.Exit {
			e.Text = r.ExitReason
		}
	case emperor.Idle:
		e.Text = r.Why
	case emperor.Waiting:
		e.Text = r.Address
	case emperor.Reverting:
		e.Text = r.ReloadError
	case emperor.Running:
		if t.From == emperor.Reloading && r.ReloadError != "" {
			e.Text = "cannot reload: " + r.ReloadError
		}
	}
	return e
}

// Exit is the end of one generation.
type Exit struct {
	Time       time.Time `json:"time"`
	Generation uint64    `json:"generation"`
	// Text describes the end, and Reason adds the vassal's own explanation or the last line of
	// its program. From is the state in which it ended: stopping or killing when it was asked
	// to.
	Text   string        `json:"text"`
	Reason string        `json:"reason,omitempty"`
	From   emperor.State `json:"from"`
	// OOMKills is how many of its processes the OOM killer had killed.
	OOMKills int `json:"oom_kills,omitempty"`
	// Owner is the user of the vassal's file.
	Owner uint32 `json:"-"`
	// Uptime is how long it lived, in seconds.
	Uptime float64 `json:"uptime_seconds"`
}
