package emperor

import (
	"context"
	"fmt"
	"time"
)

// Transition reports that a vassal went from one state to another, with its record right after
// that. With a Note it reports another event: both states are the current one, and the record
// contains only its name, state, generation, pid and configuration.
type Transition struct {
	Time time.Time `json:"time"`
	From State     `json:"from"`
	To   State     `json:"to"`
	Note *Note     `json:"note,omitempty"`
	// Lost is how many transitions before this one were not delivered, because they were not
	// read in time.
	Lost   int    `json:"lost,omitempty"`
	Record Record `json:"record"`
}

// subscriber is a reader of transitions. The loop never waits for it.
type subscriber struct {
	transitions chan *Transition
	notes       bool // as well
	lost        int
}

// send delivers one, or counts it.
func (l *subscriber) send(t *Transition) {
	if l.lost > 0 { // the others get it without that
		late := *t
		late.Lost, t = l.lost, &late
	}
	select {
	case l.transitions <- t:
		l.lost = 0
	default:
		l.lost++
	}
}

// backlog is how many transitions a listener may lag behind.
const backlog = 1024

// Transitions returns the current records and every later transition, without notes, until ctx
// ends or the emperor does; then the channel is closed. A reader that is too slow loses some
// and gets their number. All readers share a Transition, which is not changed.
func (e *Emperor) Transitions(ctx context.Context) ([]Record, <-chan *Transition, error) {
	l := &subscriber{transitions: make(chan *Transition, backlog)}
	var records []Record
	err := e.ask(ctx, func() {
		e.feed.add(l)
		for _, v := range e.vassals.sorted() {
			records = append(records, v.record(&e.options))
		}
	})
	if err != nil {
		return nil, nil, err
	}
	context.AfterFunc(ctx, func() { e.post(question(func(*Emperor) { e.feed.remove(l) })) })
	return records, l.transitions, nil
}

// Follow returns every transition and every note from the first one on. It is called before
// Run. The channel is closed when the emperor ends; a slow reader loses some and gets their
// number.
func (e *Emperor) Follow() <-chan *Transition {
	l := &subscriber{transitions: make(chan *Transition, backlog), notes: true}
	e.feed.add(l)
	return l.transitions
}

// feed passes transitions and notes on to their readers. The zero value is ready.
type feed struct{ readers map[*subscriber]bool }

func (f *feed) add(l *subscriber) {
	if f.readers == nil {
		f.readers = map[*subscriber]bool{}
	}
	f.readers[l] = true
}

// publish sends a transition. It costs nothing while there are no readers.
func (f *feed) publish(v *vassal, from State, o *Options) {
	if len(f.readers) == 0 {
		return
	}
	t := &Transition{Time: v.since, From: from, To: v.state, Record: v.record(o)}
	for l := range f.readers {
		l.send(t)
	}
}

// note sends a note about a vassal to the readers that want notes. It costs nothing while there
// are none.
func (f *feed) note(v *vassal, about Topic, format string, args ...any) {
	var t *Transition
	for l := range f.readers {
		if !l.notes {
			continue
		}
		if t == nil {
			t = &Transition{Time: time.Now(), From: v.state, To: v.state, Note: &Note{about, fmt.Sprintf(format, args...)}}
			t.Record = Record{Name: v.name, State: v.state, Since: v.since}
			t.Record.Generation, t.Record.PID, t.Record.Config = v.run.generation, v.pid(), v.run.config.Version.Short()
		}
		l.send(t)
	}
}

func (f *feed) remove(l *subscriber) {
	if f.readers[l] {
		delete(f.readers, l)
		close(l.transitions)
	}
}

func (f *feed) close() {
	for l := range f.readers {
		f.remove(l)
	}
}
