package output

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/emperor-go/emperor/internal/termlog"
)

const (
	// restsLimit is the memory, in bytes, that the output of ended processes may take while
	// its destinations do not accept it.
	restsLimit = 1 << 20
	// restCost is the memory that the output of one of them takes in addition to its bytes: a
	// goroutine with its stack.
	restCost = 8 << 10
)

// errGivenUp is the outcome of writes of output that is given up.
var errGivenUp = errors.New("the output is given up")

// life ends when all is written to a destination, or given up. Make it with newLife.
type life struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
}

func newLife() life {
	ctx, cancel := context.WithCancelCause(context.Background())
	return life{ctx, cancel}
}

// end ends it after the last write.
func (l life) end() { l.cancel(nil) }

// rests limits the output that ended processes have left, and that waits for its destination:
// a disk that hangs while vassals are restarted. The zero value has none.
type rests struct {
	mu    sync.Mutex
	bytes int
}

// close closes a queue. Lines that cannot be written in time are written later, or given up when too
// much waits already; the log reports that.
func (r *rests) close(q *termlog.Queue, to life, log *slog.Logger) {
	left := q.Close(storing)
	if left == 0 {
		return
	}
	cost := left + restCost
	if r.take(cost) {
		context.AfterFunc(to.ctx, func() { r.release(cost) })
		return
	}
	lost := q.Drop() // before the write that waits ends, so that its lines are counted
	to.cancel(errGivenUp)
	log.Warn("its last lines are lost: they cannot be written in time, and much other output waits", "lines", lost)
}

// take reports whether there is room for so many bytes, and takes it.
func (r *rests) take(bytes int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bytes+bytes > restsLimit {
		return false
	}
	r.bytes += bytes
	return true
}

func (r *rests) release(bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes -= bytes
}
