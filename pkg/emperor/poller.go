package emperor

import (
	"syscall"
	"time"

	"github.com/emperor-go/emperor/internal/poll"
)

const (
	// burst is the number of messages of one channel that are received at once, and pace the
	// interval of further ones. A vassal that sends more is read more slowly: it fills its own
	// buffers and costs the loop nothing.
	burst = 32
	pace  = 50 * time.Millisecond
)

// Ears receive from all vassals of a System. For any number of vassals, two goroutines wait:
// one for messages and deaths, and one for output, in which a vassal that prints much delays
// the output of others.
type Ears struct {
	talk, prints *poll.Set
	buffer       []byte // of the output goroutine
	pipes        plumber
}

// NewEars starts the goroutines. The caller closes them after the last vassal's end.
func NewEars() (*Ears, error) {
	talk, err := poll.New()
	if err != nil {
		return nil, err
	}
	prints, err := poll.New()
	if err != nil {
		talk.Close()
		return nil, err
	}
	return &Ears{talk: talk, prints: prints, buffer: make([]byte, printTaken)}, nil
}

// Close ends the goroutines.
func (e *Ears) Close() {
	e.talk.Close()
	e.prints.Close()
}

// ear is one channel of a vassal.
type ear struct {
	pacer
	// hear receives one message that has arrived and returns zero. Otherwise it returns how
	// long not to call it again.
	hear  func() time.Duration
	watch *poll.Watch
}

// hear starts to receive from one channel.
func (c *child) hear(f syscall.Conn, hear func() time.Duration) *poll.Watch {
	e := &ear{hear: hear}
	e.watch = c.system.Ears.talk.Watch(f, func() time.Duration {
		if rest := e.hear(); rest != 0 {
			return rest
		}
		return e.pause()
	})
	c.ears = append(c.ears, e)
	return e.watch
}

// hearLast receives the remaining messages of a dead vassal.
func (c *child) hearLast() {
	for _, e := range c.ears {
		e.watch.Stop()
		for n := 0; n < burst && e.hear() == 0; n++ {
		}
	}
}

// pacer limits the rate of an event. The zero value has a full burst.
type pacer struct {
	next time.Time // when the burst is full again
}

// pause counts one event and returns the time until the next one is permitted.
func (p *pacer) pause() time.Duration {
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	p.next = p.next.Add(pace)
	return max(0, p.next.Sub(now)-burst*pace)
}
