// Package reads limits calls to file systems that may not answer.
//
// A system call on a network file system without its server, or on a file of the kernel
// without an event, may return much later or never, and nothing ends it. A Pool makes such
// calls in goroutines of their own. It limits the wait for each, and the number of calls, and
// thereby of threads, that hang at a time. Reads of files and writes to log files are such
// calls; a call is named a look here.
package reads

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// Limit is how long a caller waits for a look. After that the look is stuck.
	Limit = 2 * time.Second
	// atOnce is how many looks run at a time, without the stuck ones.
	atOnce = 8
	// maxStuck is how many looks may be stuck before their file systems get no more. At most
	// this number of looks run or are stuck, so that it is never exceeded. When it is reached,
	// one look at a time runs in other file systems: each of these that hangs as well adds
	// one.
	maxStuck = 16

	// Threads is how many threads looks hold at a time, while one file system hangs.
	Threads = maxStuck + 1
)

// ErrSlow is returned for a look that takes longer than Limit, or that is not begun because
// its path or its file system is stuck.
var ErrSlow = errors.New("it takes too long")

// At is called by a look with its next path. It fails with ErrSlow when enough looks are stuck
// in the file system of that path.
type At func(path string) error

// Pool limits looks. All looks of one process share one Pool. Make it with New. A nil Pool
// limits nothing: it is for programs that an operator can end.
type Pool struct {
	device func(path string) uint64

	mu       sync.Mutex
	flights  map[string]*flight // by path; one for each path at a time
	waiting  []*flight          // for a place, the first first
	running  int                // looks that are not stuck
	stuck    int
	answered chan struct{} // closed, and replaced, when a stuck look ends
}

// flight is a look that runs.
type flight struct {
	where  string        // its last path
	device uint64        // of that path; only while it is stuck
	stuck  bool          // it runs longer than Limit
	place  chan struct{} // closed when it may run
	late   chan struct{} // closed when it is stuck
	over   chan struct{} // closed when it has ended
}

// New returns a Pool in which nothing runs.
func New() *Pool {
	return &Pool{device: deviceOf, flights: map[string]*flight{}, answered: make(chan struct{})}
}

// Do calls look in a goroutine of its own and returns its error. It returns ErrSlow when look
// takes too long, or the cause of ctx when that ends first. In both cases look continues, and
// has to handle its result itself. Looks at one path run one after the other.
func (p *Pool) Do(ctx context.Context, path string, look func(At) error) error {
	if p == nil {
		return look(func(string) error { return nil })
	}
	f, done, err := p.begin(ctx, path, look)
	if err != nil {
		return err
	}
	select {
	case err = <-done:
		return err
	case <-f.late:
		return ErrSlow
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Await is Do for a look that must be carried out, such as a write: it returns when look has
// ended, however late. When Do refuses to begin, it waits without a thread. A look that has
// not begun when ctx ends is not carried out: Await returns the cause then.
func (p *Pool) Await(ctx context.Context, path string, look func() error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if p == nil {
		return look()
	}
	for {
		p.mu.Lock()
		answered := p.answered
		p.mu.Unlock()
		began := false
		_, done, err := p.begin(ctx, path, func(At) error {
			began = true
			return look()
		})
		if err == nil {
			err = <-done
		}
		if began {
			return err
		}
		select {
		case <-answered:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// begin starts a look once it may. done delivers its result.
func (p *Pool) begin(ctx context.Context, path string, look func(At) error) (f *flight, done chan error, err error) {
	f, err = p.enter(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	done = make(chan error, 1)
	limit := time.AfterFunc(Limit, func() { p.tooLong(f) })
	go func() {
		at := func(path string) error { return p.moves(f, path) }
		err := at(path)
		if err == nil {
			err = look(at)
		}
		limit.Stop()
		p.leave(path, f)
		done <- err
	}()
	return f, done, nil
}

// enter waits until no other look is at that path, and for a place.
func (p *Pool) enter(ctx context.Context, path string) (*flight, error) {
	f := &flight{where: path, place: make(chan struct{}), late: make(chan struct{}), over: make(chan struct{})}
	for {
		p.mu.Lock()
		before := p.flights[path]
		if before == nil {
			p.flights[path] = f
		}
		p.mu.Unlock()
		if before == nil {
			break
		}
		select {
		case <-before.late:
			return nil, fmt.Errorf("%w: an earlier look has not ended", ErrSlow)
		case <-before.over:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	err := p.moves(f, path)
	if err != nil {
		p.leave(path, f)
		return nil, err
	}
	p.mu.Lock()
	p.waiting = append(p.waiting, f)
	p.admit()
	p.mu.Unlock()
	select {
	case <-f.place:
		return f, nil
	case <-ctx.Done():
		p.leave(path, f)
		return nil, context.Cause(ctx)
	}
}

// admit gives out the free places. The caller holds the lock.
func (p *Pool) admit() {
	for len(p.waiting) > 0 && p.running < max(1, min(atOnce, maxStuck-p.stuck)) {
		f := p.waiting[0]
		p.waiting = slices.Delete(p.waiting, 0, 1)
		p.running++
		close(f.place)
	}
}

// leave ends a look, or the wait for its place.
func (p *Pool) leave(path string, f *flight) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.flights, path)
	close(f.over)
	select {
	case <-f.place:
		if f.stuck {
			p.stuck--
			close(p.answered)
			p.answered = make(chan struct{})
		} else {
			p.running--
		}
	default:
		p.waiting = slices.DeleteFunc(p.waiting, func(other *flight) bool { return other == f })
	}
	p.admit()
}

// tooLong marks a look as stuck. Its place is free for others.
func (p *Pool) tooLong(f *flight) {
	p.mu.Lock()
	where := f.where
	p.mu.Unlock()
	device := p.device(where)
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-f.over:
		return
	default:
	}
	f.stuck, f.device = true, device
	p.stuck++
	p.running--
	close(f.late)
	p.admit()
}

// moves records the next path of a look, unless too many looks are stuck in its file system.
func (p *Pool) moves(f *flight, path string) error {
	p.mu.Lock()
	f.where = path
	full := p.stuck >= maxStuck && !f.stuck
	p.mu.Unlock()
	if !full {
		return nil
	}
	device := p.device(path)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, other := range p.flights {
		if other.stuck && other.device == device {
			return fmt.Errorf("%w: %d looks at its file system have not ended", ErrSlow, maxStuck)
		}
	}
	return nil
}
