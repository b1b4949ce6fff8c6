// Package eventlog remembers the events of an emperor, and passes them on to clients that follow
// them.
package eventlog

import (
	"slices"
	"sync"
	"time"

	"github.com/emperor-go/emperor/internal/vassalname"
	"github.com/emperor-go/emperor/pkg/emperor"
)

const (
	// Kept is how many events are kept for later readers.
	Kept = 1000
	// exitsKept is how many exits of a vassal are kept.
	exitsKept = 5
)

// behind is how many events a reader may lag behind.
const behind = 256

// Log remembers events, from the emperor's transitions and notes.
type Log struct {
	// Told is called with every transition, one at a time. Nil: no call.
	Told func(*emperor.Transition)
	// Gone is called when a vassal's record was dropped. Nil: no call.
	Gone func(name string)

	mu      sync.Mutex
	events  []Event
	readers map[*reader]bool
	ended   bool
	exits   map[string][]Exit
	born    map[string]time.Time
}

// reader is a client that follows.
type reader struct {
	wants  func(Event) bool
	events chan Event
	lost   int
}

// Run reads an emperor's transitions, from the first one, until there are no more.
func (l *Log) Run(transitions <-chan *emperor.Transition) {
	for t := range transitions {
		l.record(t)
		switch {
		case t.Note != nil:
			continue
		case l.Told != nil:
			l.Told(t)
		}
		if t.To == emperor.Gone && l.Gone != nil {
			l.Gone(t.Record.Name)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	for r := range l.readers {
		l.unfollow(r)
	}
}

func (l *Log) record(t *emperor.Transition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.append(event(t))
	if t.Note != nil {
		return
	}
	if l.exits == nil {
		l.exits, l.born = map[string][]Exit{}, map[string]time.Time{}
	}
	name := t.Record.Name
	if list := l.exits[name]; t.From == emperor.Clearing && len(list) > 0 && t.Record.ExitReason != t.Record.Exit {
		list[len(list)-1].Reason = t.Record.ExitReason // its last line was still being read
	}
	switch t.To {
	case emperor.Starting:
		l.born[name] = t.Time
	case emperor.Clearing:
		x := Exit{
			Time: t.Time, Generation: t.Record.Generation, Text: t.Record.Exit, From: t.From, OOMKills: t.Record.ExitOOM,
			Owner: t.Record.UID, Uptime: t.Time.Sub(l.born[name]).Seconds(),
		}
		list := append(l.exits[name], x)
		l.exits[name] = list[max(0, len(list)-exitsKept):]
	case emperor.Gone:
		delete(l.exits, name)
		delete(l.born, name)
	}
}

// append remembers an event and passes it on. The caller holds the lock.
func (l *Log) append(e Event) {
	if len(l.events) >= Kept {
		l.events = l.events[1:]
	}
	l.events = append(l.events, e)
	for r := range l.readers {
		if !r.wants(e) {
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

// Add adds an event that does not come from the emperor's loop, about a vassal in its
// current state.
func (l *Log) Add(about emperor.Topic, r emperor.Record, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.append(event(&emperor.Transition{
		Time: time.Now(), From: r.State, To: r.State, Record: r, Note: &emperor.Note{About: about, Text: text},
	}))
}

// Recent returns the remembered events that wants accepts, the newest last.
func (l *Log) Recent(wants func(Event) bool) (recent []Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.recent(wants)
}

func (l *Log) recent(wants func(Event) bool) (recent []Event) {
	for _, e := range l.events {
		if wants(e) {
			recent = append(recent, e)
		}
	}
	return recent
}

// Follow returns the remembered events that wants accepts, and a channel of new ones,
// until stop is called or there are no more; then the channel is closed. A slow reader misses
// some, and gets their number.
func (l *Log) Follow(wants func(Event) bool) (recent []Event, next <-chan Event, stop func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	recent = l.recent(wants)
	r := &reader{wants: wants, events: make(chan Event, behind)}
	if l.readers == nil {
		l.readers = map[*reader]bool{}
	}
	l.readers[r] = true
	if l.ended {
		l.unfollow(r)
	}
	return recent, r.events, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.unfollow(r)
	}
}

// unfollow ends the channel of a reader. The caller holds the lock.
func (l *Log) unfollow(r *reader) {
	if l.readers[r] {
		delete(l.readers, r)
		close(r.events)
	}
}

// Named returns the name of a vassal that has events that wants accepts, by its name with or
// without .ini. It may be gone. Empty: no events.
func (l *Log) Named(name string, wants func(Event) bool) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	full, _ := vassalname.Resolve(name, func(n string) bool {
		return slices.ContainsFunc(l.events, func(e Event) bool { return e.Vassal == n && wants(e) })
	})
	return full
}

// Exits returns the last exits of a vassal, the newest last.
func (l *Log) Exits(name string) []Exit {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Exit{}, l.exits[name]...)
}
