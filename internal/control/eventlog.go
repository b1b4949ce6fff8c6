package control

import (
	"slices"
	"sync"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor"
)

const (
	// remembered is how many events are kept for later readers.
	remembered = 1000
	// exitsKept is how many exits of a vassal are kept.
	exitsKept = 5
)

// behind is how many events a reader may lag behind.
const behind = 256

// Chronicle remembers events, from the emperor's transitions and notes.
type Chronicle struct {
	// Told is called with every transition, one at a time. Nil: no call.
	Told func(emperor.Transition)
	// Gone is called when a vassal's record was dropped. Nil: no call.
	Gone func(name string)

	mu      sync.Mutex
	events  []Event
	readers map[*reader]bool
	ended   bool
	exits   map[string][]Exit
	born    map[string]time.Time
}

// reader follows a chronicle.
type reader struct {
	wants  func(vassal string) bool
	events chan Event
	lost   int
}

// Run reads an emperor's transitions, from the first one, until there are no more.
func (c *Chronicle) Run(transitions <-chan emperor.Transition) {
	for t := range transitions {
		c.note(t)
		switch {
		case t.Note != nil:
			continue
		case c.Told != nil:
			c.Told(t)
		}
		if t.To == emperor.Gone && c.Gone != nil {
			c.Gone(t.Record.Name)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	for r := range c.readers {
		c.dismiss(r)
	}
}

func (c *Chronicle) note(t emperor.Transition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(event(t))
	if t.Note != nil {
		return
	}
	if c.exits == nil {
		c.exits, c.born = map[string][]Exit{}, map[string]time.Time{}
	}
	name := t.Record.Name
	if list := c.exits[name]; t.From == emperor.Clearing && len(list) > 0 && t.Record.ExitReason != t.Record.Exit {
		list[len(list)-1].Reason = t.Record.ExitReason // its last line was still being read
	}
	switch t.To {
	case emperor.Starting:
		c.born[name] = t.Time
	case emperor.Clearing:
		x := Exit{
			Time: t.Time, Generation: t.Record.Generation, Text: t.Record.Exit, From: t.From, OOMKills: t.Record.ExitOOM,
			Uptime: t.Time.Sub(c.born[name]).Seconds(),
		}
		list := append(c.exits[name], x)
		c.exits[name] = list[max(0, len(list)-exitsKept):]
	case emperor.Gone:
		delete(c.exits, name)
		delete(c.born, name)
	}
}

// add remembers an event and passes it on. The caller holds the lock.
func (c *Chronicle) add(e Event) {
	if len(c.events) >= remembered {
		c.events = c.events[1:]
	}
	c.events = append(c.events, e)
	for r := range c.readers {
		if !r.wants(e.Vassal) {
			continue
		}
		e := e
		e.Lost += r.lost
		select {
		case r.events <- e:
			r.lost = 0
		default:
			r.lost++
		}
	}
}

// Mention adds an event that does not come from the emperor's loop, about a vassal in its
// current state.
func (c *Chronicle) Mention(about emperor.Topic, r emperor.Record, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(event(emperor.Transition{
		Time: time.Now(), From: r.State, To: r.State, Record: r, Note: &emperor.Note{About: about, Text: text},
	}))
}

// follow returns the remembered events of the vassals that wants accepts, and a channel of new ones,
// until stop is called or there are no more; then the channel is closed. A slow reader misses
// some, and gets their number.
func (c *Chronicle) follow(wants func(vassal string) bool) (recent []Event, next <-chan Event, stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.events {
		if wants(e.Vassal) {
			recent = append(recent, e)
		}
	}
	r := &reader{wants: wants, events: make(chan Event, behind)}
	if c.readers == nil {
		c.readers = map[*reader]bool{}
	}
	c.readers[r] = true
	if c.ended {
		c.dismiss(r)
	}
	return recent, r.events, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.dismiss(r)
	}
}

// dismiss ends the channel of a reader. The caller holds the lock.
func (c *Chronicle) dismiss(r *reader) {
	if c.readers[r] {
		delete(c.readers, r)
		close(r.events)
	}
}

// named returns the name of a vassal that has events, by its name with or without .ini. It may
// be gone. Empty: no events.
func (c *Chronicle) named(name string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range []string{name, name + ".ini"} {
		if slices.ContainsFunc(c.events, func(e Event) bool { return e.Vassal == n }) {
			return n
		}
	}
	return ""
}

func (c *Chronicle) exitsOf(name string) []Exit {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Exit{}, c.exits[name]...)
}
