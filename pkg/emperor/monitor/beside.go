package monitor

import (
	"errors"

	"github.com/emperor-go/emperor/pkg/emperor/reads"
)

// look is something that runs beside the loop and for which a report waits, a little.
type look struct {
	late func() // called in the loop when the report no longer waits; nil: it always does
}

// begin calls read beside the loop, and the function that read returns in the loop. When
// read takes too long, slow is called in the loop before; the result still counts when it
// comes. late is the field of look.
func (f *files) begin(path string, read func(reads.At) (takeIn func()), slow func(), late func()) {
	l := &look{late}
	f.awaited[l] = true
	over := func(takeIn func()) {
		f.hand(func() { delete(f.awaited, l); takeIn() })
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

// hand lets the loop call takeIn. After the end of the loop it does nothing.
func (f *files) hand(takeIn func()) {
	select {
	case f.found <- takeIn:
	case <-f.ctx.Done():
	}
}

// abandon makes the report wait no longer for slow looks.
func (f *files) abandon() {
	for l := range f.awaited {
		if l.late != nil {
			delete(f.awaited, l)
			l.late()
		}
	}
}
