package control

import (
	"sync"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor"
)

const (
	// remembered is how many events are kept for who asks later.
	remembered = 1000
	// exitsKept is how many exits of a vassal are.
	exitsKept = 5
)

// Chronicle remembers what has happened, from the emperor's transitions.
type Chronicle struct {
	// Told is called with every transition, one at a time. Nil: not.
	Told func(emperor.Transition)
	// Gone is called when a vassal's record was dropped. Nil: not.
	Gone func(name string)

	mu     sync.Mutex
	events []Event
	exits  map[string][]Exit
	born   map[string]time.Time
}

// Run reads transitions, all of them from the first, until there are no more.
func (c *Chronicle) Run(transitions <-chan emperor.Transition) {
	for t := range transitions {
		c.note(t)
		if c.Told != nil {
			c.Told(t)
		}
		if t.To == emperor.Gone && c.Gone != nil {
			c.Gone(t.Record.Name)
		}
	}
}

func (c *Chronicle) note(t emperor.Transition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.exits == nil {
		c.exits, c.born = map[string][]Exit{}, map[string]time.Time{}
	}
	if len(c.events) >= remembered {
		c.events = c.events[1:]
	}
	c.events = append(c.events, event(t))
	name := t.Record.Name
	switch t.To {
	case emperor.Starting:
		c.born[name] = t.Time
	case emperor.Clearing:
		x := Exit{Time: t.Time, Generation: t.Record.Generation, Text: t.Record.Exit, From: t.From, Uptime: t.Time.Sub(c.born[name]).Seconds()}
		list := append(c.exits[name], x)
		c.exits[name] = list[max(0, len(list)-exitsKept):]
	case emperor.Gone:
		delete(c.exits, name)
		delete(c.born, name)
	}
}

// recent returns the events that are remembered, of one vassal or of all.
func (c *Chronicle) recent(name string) []Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := []Event{}
	for _, e := range c.events {
		if name == "" || e.Vassal == name {
			list = append(list, e)
		}
	}
	return list
}

func (c *Chronicle) exitsOf(name string) []Exit {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Exit{}, c.exits[name]...)
}
