package monitor

import (
	"errors"

	"github.com/emperor-go/emperor/internal/reads"
)

// pendingRead is a read that runs outside the loop and for which a report waits a little.
type pendingRead struct {
	late func() // called in the loop when the report no longer waits; nil: it always waits
}

// begin calls read outside the loop, and its result function in the loop. When read takes too
// long, slow is called in the loop first; the result is still used when it comes. late as in
// pendingRead.
func (f *files) begin(path string, read func(reads.At) (takeIn func()), slow func(), late func()) {
	l := &pendingRead{late}
	f.report.awaited[l] = true
	over := func(takeIn func()) {
		f.deliver(func() { delete(f.report.awaited, l); takeIn() })
	}
	go func() {
		err := f.options.Reads.Do(f.ctx, path, func(at reads.At) error {
			over(read(at))
			return nil
		})
		if errors.Is(err, reads.ErrSlow) {
			over(slow)
		}
	}()
}

// deliver lets the loop call takeIn. After the end of the loop it does nothing.
func (f *files) deliver(takeIn func()) {
	select {
	case f.results <- takeIn:
	case <-f.ctx.Done():
	}
}

// stopWaiting stops the report from waiting for slow reads.
func (f *files) stopWaiting() {
	for l := range f.report.awaited {
		if l.late != nil {
			delete(f.report.awaited, l)
			l.late()
		}
	}
}
