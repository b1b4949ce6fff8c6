package emperor

import (
	"context"
	"sync"
	"time"
)

// mailbox is the way of other goroutines to the loop. Make it with newMailbox.
type mailbox struct {
	events chan event
	done   chan struct{}  // closed when the loop no longer takes events
	group  sync.WaitGroup // of the goroutines that work for the loop
}

// event is a message of another goroutine to the loop.
type event interface{ apply(*Emperor) }

// question is answered by the loop.
type question func(*Emperor)

func (q question) apply(e *Emperor) { q(e) }

func newMailbox() *mailbox {
	return &mailbox{events: make(chan event), done: make(chan struct{})}
}

// post hands an event to the loop. After the loop has ended it is lost, and the
// result false.
func (m *mailbox) post(ev event) bool {
	select {
	case m.events <- ev:
		return true
	case <-m.done:
		return false
	}
}

// ask runs f in the loop and returns when it is done. The error is ErrEnded or the cause of ctx.
func (m *mailbox) ask(ctx context.Context, f func()) error {
	done := make(chan struct{})
	q := question(func(*Emperor) { f(); close(done) })
	select {
	case m.events <- q:
		<-done // the loop has it, and does not block
		return nil
	case <-m.done:
		return ErrEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// endWait is how long an emperor that ends without some of its vassals waits for the
// goroutines of others.
const endWait = time.Second

// wait waits for all goroutines, or for a second if some of them cannot end.
func (m *mailbox) wait(lost bool) {
	over := make(chan struct{})
	go func() {
		defer close(over)
		m.group.Wait()
	}()
	if !lost {
		<-over
		return
	}
	timer := time.NewTimer(endWait)
	defer timer.Stop()
	select {
	case <-over:
	case <-timer.C:
	}
}
