package termlog

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// blockSize is how much a Queue writes at once, in bytes: a pipe that several
// processes share keeps that much together (pipe(7), PIPE_BUF).
const blockSize = 4096

// Queue is a Writer that never blocks and never fails: a goroutine, which lives while
// there is something to write, writes to a destination that may do both. The Queue
// drops a Write that does not fit, or cannot be written, counts its lines, and writes
// the count in their place as soon as the destination takes something again.
type Queue struct {
	to    io.Writer
	limit int
	note  func(lost int) []byte

	mu     sync.Mutex
	blocks []block // those to be written
	bytes  int     // of blocks, and of the one that is being written
	spare  []byte
	idle   chan struct{} // closed when all has been written; nil: it has
	closed bool

	// Of the goroutine: how many lost lines it has to tell of, and whether it wrote the
	// beginning of a line last.
	owed int
	torn bool
}

// block is some Writes that become one, and how many lines were dropped after them.
type block struct {
	text []byte
	lost int
}

// NewQueue returns a queue for w that holds at most limit bytes. A Write to it should be
// whole lines; short ones become one Write to w, from one goroutine at a time. note
// makes the line that tells how many were lost.
func NewQueue(w io.Writer, limit int, note func(lost int) []byte) *Queue {
	return &Queue{to: w, limit: limit, note: note}
}

// Write implements io.Writer.
func (q *Queue) Write(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || len(p) == 0 {
		return len(p), nil
	}
	last := q.last(len(p))
	if last.lost > 0 || q.bytes+len(p) > q.limit {
		last.lost += lines(p)
	} else {
		last.text = append(last.text, p...)
		q.bytes += len(p)
	}
	q.start()
	return len(p), nil
}

// start starts the goroutine unless there is one. The lock is held.
func (q *Queue) start() {
	if q.idle == nil {
		q.idle = make(chan struct{})
		go q.run(q.idle)
	}
}

// last is the block that n more bytes belong to. From the first dropped line on it is
// the same one until it is written, so that a gap is told of once.
func (q *Queue) last(n int) *block {
	if end := len(q.blocks) - 1; end >= 0 && (q.blocks[end].lost > 0 || len(q.blocks[end].text)+n <= blockSize) {
		return &q.blocks[end]
	}
	q.blocks = append(q.blocks, block{text: q.spare})
	q.spare = nil
	return &q.blocks[len(q.blocks)-1]
}

// lines counts those of one or more Writes, some of which may lack their end.
func lines(text []byte) int {
	if len(text) == 0 {
		return 0
	}
	return max(1, bytes.Count(text, []byte("\n")))
}

// Crowded reports whether half of the room in the queue is taken.
func (q *Queue) Crowded() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes > q.limit/2
}

func (q *Queue) run(idle chan struct{}) {
	defer close(idle)
	for {
		b, more, closed := q.next()
		if more {
			q.put(b)
			q.wrote(b)
			continue
		}
		if c, ok := q.to.(io.Closer); ok && closed {
			_ = c.Close() // nothing is left to tell its error
		}
		return
	}
}

// next takes the first block. There being none is the end of the goroutine.
func (q *Queue) next() (b block, more, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.blocks) > 0 {
		b, q.blocks = q.blocks[0], q.blocks[1:]
		return b, true, false
	}
	q.blocks, q.spare, q.idle = nil, nil, nil
	return b, false, q.closed
}

// put writes a block between the counts of those lines that were lost before and after.
func (q *Queue) put(b block) {
	if q.owed > 0 && !q.tell() { // a destination without room for the count has none for more
		q.owed += lines(b.text) + b.lost
		return
	}
	unwritten := q.write(b.text)
	if q.owed = unwritten + b.lost; unwritten == 0 && b.lost > 0 {
		q.tell()
	}
}

// tell writes the count of lost lines, and reports whether that succeeded.
func (q *Queue) tell() bool {
	text := q.note(q.owed)
	if q.torn {
		text = append([]byte("\n"), text...)
	}
	if q.write(text) > 0 {
		return false
	}
	q.owed = 0
	return true
}

// write returns how many lines of a text could not be written.
func (q *Queue) write(text []byte) (lost int) {
	if len(text) == 0 {
		return 0
	}
	n, err := q.to.Write(text)
	if n > 0 {
		q.torn = text[n-1] != '\n'
	}
	if err != nil {
		return max(1, lines(text[n:]))
	}
	return 0
}

// wrote gives back the room of a block.
func (q *Queue) wrote(b block) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= len(b.text)
	if cap(b.text) <= blockSize {
		q.spare = b.text[:0]
	}
}

// Flush waits until all has been written, or cannot be, but no longer than wait.
func (q *Queue) Flush(wait time.Duration) {
	q.mu.Lock()
	idle := q.idle
	q.mu.Unlock()
	if idle == nil {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	}
}

// Close is the last Flush: the queue takes no more. When the last of what it has taken
// is written, however late, it closes a destination that is an io.Closer.
func (q *Queue) Close(wait time.Duration) {
	q.mu.Lock()
	if !q.closed {
		q.closed = true
		q.start()
	}
	q.mu.Unlock()
	q.Flush(wait)
}
