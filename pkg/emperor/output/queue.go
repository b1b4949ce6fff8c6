package output

import (
	"io"
	"sync"
	"time"
)

// Queue is a Writer that never blocks and never fails: a goroutine of its own
// writes to what may block and fail. What does not fit, or cannot be written, is
// dropped and counted, and the count is written as soon as something can be again.
type Queue struct {
	to    io.Writer
	limit int
	note  func(lost int) []byte

	mu      sync.Mutex
	pending [][]byte
	bytes   int
	lost    int
	closed  bool

	news chan struct{} // holds one token while there may be something to do
	done chan struct{}
}

// NewQueue starts a queue for w that holds at most limit bytes. Each Write to it
// becomes one Write to w. note makes the line that tells how many were lost. The
// caller closes it.
func NewQueue(w io.Writer, limit int, note func(lost int) []byte) *Queue {
	q := &Queue{to: w, limit: limit, note: note, news: make(chan struct{}, 1), done: make(chan struct{})}
	go q.run()
	return q
}

// Write implements io.Writer.
func (q *Queue) Write(p []byte) (int, error) {
	q.mu.Lock()
	if q.closed || q.bytes+len(p) > q.limit {
		q.lost++
	} else {
		q.pending = append(q.pending, append([]byte{}, p...))
		q.bytes += len(p)
	}
	q.mu.Unlock()
	q.wake()
	return len(p), nil
}

// Crowded reports whether half of what it can hold is taken.
func (q *Queue) Crowded() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes > q.limit/2
}

func (q *Queue) wake() {
	select {
	case q.news <- struct{}{}:
	default:
	}
}

// take returns what is to be written now, and how much was lost before.
func (q *Queue) take() (batch [][]byte, lost int, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	batch, lost = q.pending, q.lost
	q.pending, q.bytes, q.lost = nil, 0, 0
	return batch, lost, q.closed
}

func (q *Queue) run() {
	defer close(q.done)
	for range q.news {
		batch, lost, closed := q.take()
		failed := 0
		for _, p := range batch {
			if _, err := q.to.Write(p); err != nil {
				failed++
			}
		}
		if lost > 0 {
			if _, err := q.to.Write(q.note(lost)); err != nil {
				failed += lost
			}
		}
		if failed > 0 { // to be told of when there is something to write again
			q.mu.Lock()
			q.lost += failed
			q.mu.Unlock()
		}
		if closed {
			return
		}
	}
}

// Close writes what is left, but waits no longer than that.
func (q *Queue) Close(wait time.Duration) {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.wake()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-q.done:
	case <-timer.C:
	}
}
