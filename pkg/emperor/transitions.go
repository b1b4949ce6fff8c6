package emperor

import (
	"context"
	"time"
)

// Transition tells that a vassal went from one state to another. Its record is
// as it was right after that. With a Note it tells of something else: both states
// are the one it is in, and the record holds only its name, state, generation, pid
// and configuration.
type Transition struct {
	Time time.Time `json:"time"`
	From State     `json:"from"`
	To   State     `json:"to"`
	Note *Note     `json:"note,omitempty"`
	// Lost is how many transitions before this one were not delivered, because
	// they were not read in time.
	Lost   int    `json:"lost,omitempty"`
	Record Record `json:"record"`
}

// listener is somebody who reads transitions. The loop never waits for it.
type listener struct {
	transitions chan Transition
	notes       bool // as well
	lost        int
}

// tell hands one on, or counts it.
func (l *listener) tell(t Transition) {
	t.Lost = l.lost
	select {
	case l.transitions <- t:
		l.lost = 0
	default:
		l.lost++
	}
}

// backlog is how many transitions a listener may be behind.
const backlog = 1024

// Transitions returns the records as they are now and every transition after
// that, without notes, until ctx ends or the emperor does; then the channel is closed. Who reads
// too slowly loses some and is told how many.
func (e *Emperor) Transitions(ctx context.Context) ([]Record, <-chan Transition, error) {
	l := &listener{transitions: make(chan Transition, backlog)}
	var records []Record
	err := e.ask(ctx, func() {
		e.listeners[l] = true
		for _, v := range e.sorted() {
			records = append(records, e.record(v))
		}
	})
	if err != nil {
		return nil, nil, err
	}
	context.AfterFunc(ctx, func() { e.post(question(func(*Emperor) { e.dismiss(l) })) })
	return records, l.transitions, nil
}

// tell lets the listeners know of a transition.
func (e *Emperor) tell(v *vassal, from State) {
	if len(e.listeners) == 0 {
		return
	}
	t := Transition{Time: v.since, From: from, To: v.state, Record: e.record(v)}
	for l := range e.listeners {
		l.tell(t)
	}
}

func (e *Emperor) dismiss(l *listener) {
	if e.listeners[l] {
		delete(e.listeners, l)
		close(l.transitions)
	}
}

func (e *Emperor) dismissListeners() {
	for l := range e.listeners {
		e.dismiss(l)
	}
}
