package termlog

import (
	"bytes"
	"io"
	"runtime"
	"sync"
	"time"
)

// blockSize is the size of one write of a Queue, in bytes. The kernel does not divide a write
// of this size to a pipe that several processes share (pipe(7), PIPE_BUF).
const blockSize = 4096

// Queue is a Writer that never blocks and never fails. A goroutine, which lives while there is
// something to write, writes to a destination that may do both. The Queue drops a Write that
// does not fit or that cannot be written, counts its lines, and writes the count in their
// place as soon as the destination accepts data again.
type Queue struct {
	to    io.Writer
	limit int
	note  func(lost int) []byte

	mu     sync.Mutex
	blocks []block       // not written yet
	bytes  int           // of blocks, including the one that is being written
	idle   chan struct{} // closed when all is written; nil when the queue is empty
	closed bool
	moving int // lines of the block that is being written

	// Used by the goroutine: the number of lost lines to report, and whether the last write
	// ended inside a line.
	owed int
	torn bool
}

// block is a number of Writes joined into one, and the number of lines dropped after them.
type block struct {
	text []byte
	lost int
}

// texts has the memory of blocks, which all queues share: an idle queue has none.
var texts = sync.Pool{New: func() any { return new([blockSize]byte) }}

// release gives the memory of a block back. A larger one had a Write that no block has room for.
func (b *block) release() {
	if cap(b.text) == blockSize {
		texts.Put((*[blockSize]byte)(b.text[:blockSize]))
	}
}

// NewQueue returns a queue for w that holds at most limit bytes. Each Write to it should be
// whole lines. Short Writes become one Write to w, from one goroutine at a time. note formats
// the line that reports lost lines.
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

// start starts the goroutine unless it runs. The caller holds the lock.
func (q *Queue) start() {
	if q.idle == nil {
		q.idle = make(chan struct{})
		go q.run(q.idle)
	}
}

// last returns the block for n more bytes. After the first dropped line it returns the same
// block until that is written, so that a gap is reported once.
func (q *Queue) last(n int) *block {
	if end := len(q.blocks) - 1; end >= 0 && (q.blocks[end].lost > 0 || len(q.blocks[end].text)+n <= blockSize) {
		return &q.blocks[end]
	}
	q.blocks = append(q.blocks, block{text: texts.Get().(*[blockSize]byte)[:0]})
	return &q.blocks[len(q.blocks)-1]
}

// lines counts the lines of one or more Writes. A line may lack its newline.
func lines(text []byte) int {
	if len(text) == 0 {
		return 0
	}
	return max(1, bytes.Count(text, []byte("\n")))
}

// Crowded reports whether half of the queue's room is in use.
func (q *Queue) Crowded() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes > q.limit/2
}

func (q *Queue) run(idle chan struct{}) {
	defer close(idle)
	runtime.Gosched() // others that are about to add a line do it first: one write for all of them
	for {
		b, more, closed := q.next()
		if more {
			q.put(b)
			q.wrote(b)
			continue
		}
		if c, ok := q.to.(io.Closer); ok && closed {
			_ = c.Close() // the error cannot be reported any more
		}
		return
	}
}

// next removes the first block. When there is none, the goroutine ends.
func (q *Queue) next() (b block, more, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.blocks) > 0 {
		b, q.blocks = q.blocks[0], q.blocks[1:]
		q.moving = lines(b.text) + b.lost
		return b, true, false
	}
	q.blocks = nil
	if !q.closed { // otherwise Flush waits until the destination is closed
		q.idle = nil
	}
	return b, false, q.closed
}

// put writes a block, with the counts of lost lines before and after it.
func (q *Queue) put(b block) {
	if q.owed > 0 && !q.writeLost() { // a destination without room for the count has no room for a block
		q.owed += lines(b.text) + b.lost
		return
	}
	unwritten := q.write(b.text)
	if q.owed = unwritten + b.lost; unwritten == 0 && b.lost > 0 {
		q.writeLost()
	}
}

// writeLost writes the count of lost lines, and reports success.
func (q *Queue) writeLost() bool {
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

// write returns the number of lines of a text that could not be written.
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

// wrote releases the room of a block.
func (q *Queue) wrote(b block) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= len(b.text)
	q.moving = 0
	b.release()
}

// Flush waits until all is written or has failed, at most for wait.
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

// Close flushes once more; the queue accepts nothing afterwards. When the rest is written,
// however late, it closes the destination if that is an io.Closer. It returns the number of
// bytes that are not written yet.
func (q *Queue) Close(wait time.Duration) (left int) {
	q.mu.Lock()
	if !q.closed {
		q.closed = true
		q.start()
	}
	q.mu.Unlock()
	q.Flush(wait)
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes
}

// Drop drops all that is not written, and returns the number of lines. It does not end a Write
// to the destination that has begun, whose lines count as dropped.
func (q *Queue) Drop() (lost int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	lost = q.moving
	for _, b := range q.blocks {
		lost += lines(b.text) + b.lost
		q.bytes -= len(b.text)
		b.release()
	}
	q.blocks = nil
	return lost
}
