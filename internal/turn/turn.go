// Package turn decides which vassal's hooks run now. uWSGI runs the emperor's hooks of all vassals one after
// the other, and operators' scripts rely on it. Examples are the name of a link that is free again when the
// next hook runs, and a file with a counter.
package turn

import (
	"context"
	"slices"
	"sync"
	"time"
)

// patience is how long a holder blocks the others: after that both the holder and the next one
// continue.
const patience = time.Second

// Line lets a number of holders continue at a time, and the others wait in their order.
type Line struct {
	size int

	mu      sync.Mutex
	holders int // that count
	waiting []*ticket
}

// ticket is a place in the line. Its channel is closed when its turn comes.
type ticket struct {
	order uint64
	ready chan struct{}
}

// New returns a Line in which size holders have their turns at a time, at least one.
func New(size int) *Line { return &Line{size: max(size, 1)} }

// Take blocks until it is the caller's turn. The waiting caller with the lowest order is next;
// of equal ones the first that came. The caller calls done once, when its turn is over. When
// ctx ends first, Take returns its error, and there is no turn.
func (l *Line) Take(ctx context.Context, order uint64) (done func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t := &ticket{order: order, ready: make(chan struct{})}
	l.mu.Lock()
	at := len(l.waiting)
	for at > 0 && l.waiting[at-1].order > order {
		at--
	}
	l.waiting = slices.Insert(l.waiting, at, t)
	l.admit()
	l.mu.Unlock()
	select {
	case <-t.ready:
		return l.hold(), nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	i := slices.Index(l.waiting, t)
	if i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
	}
	l.mu.Unlock()
	if i < 0 { // its turn came at the same time
		l.leave()
	}
	return nil, ctx.Err()
}

// hold returns the function that ends a turn; patience ends it as well.
func (l *Line) hold() (done func()) {
	var once sync.Once
	leave := func() { once.Do(l.leave) }
	timer := time.AfterFunc(patience, leave)
	return func() { timer.Stop(); leave() }
}

func (l *Line) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holders--
	l.admit()
}

// admit gives turns to waiting callers while there are any. The caller holds the lock.
func (l *Line) admit() {
	for len(l.waiting) > 0 && l.holders < l.size {
		l.holders++
		close(l.waiting[0].ready)
		l.waiting = l.waiting[1:]
	}
}
