package emperor

import (
	"context"
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
	transitions chan Transition
	notes       bool // as well
	lost        int
}

// send delivers one, or counts it.
func (l *subscriber) send(t Transition) {
	t.Lost = l.lost
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
// and gets their number.
func (e *Emperor) Transitions(ctx context.Context) ([]Record, <-chan Transition, error) {
	l := &subscriber{transitions: make(chan Transition, backlog)}
	var records []Record
	err := e.ask(ctx, func() {
		e.subscribers[l] = true
		for _, v := range e.sorted() {
			records = append(records, e.record(v))
		}
	})
	if err != nil {
		return nil, nil, err
	}
	context.AfterFunc(ctx, func() { e.post(question(func(*Emperor) { e.unsubscribe(l) })) })
	return records, l.transitions, nil
}

// Follow returns every transition and every note from the first one on. It is called before
// Run. The channel is closed when the emperor ends; a slow reader loses some and gets their
// number.
func (e *Emperor) Follow() <-chan Transition {
	l := &subscriber{transitions: make(chan Transition, backlog), notes: true}
	e.subscribers[l] = true
	return l.transitions
}

// publish sends a transition to the listeners.
func (e *Emperor) publish(v *vassal, from State) {
	if len(e.subscribers) == 0 {
		return
	}
	t := Transition{Time: v.since, From: from, To: v.state, Record: e.record(v)}
	for l := range e.subscribers {
		l.send(t)
	}
}

func (e *Emperor) unsubscribe(l *subscriber) {
	if e.subscribers[l] {
		delete(e.subscribers, l)
		close(l.transitions)
	}
}

func (e *Emperor) unsubscribeAll() {
	for l := range e.subscribers {
		e.unsubscribe(l)
	}
}
