package emperor

import (
	"syscall"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor/poll"
)

const (
	// burst is how many messages of one channel are heard at once, and pace the
	// time until the next is after that. A vassal that says more is read more
	// slowly: it fills its own buffers and costs the loop nothing.
	burst = 32
	pace  = 50 * time.Millisecond
)

// Ears hear all vassals of a System. However many they are, two goroutines wait for
// them: one for what vassals say and for their deaths, and one for what they print,
// where one that prints much makes the others wait for their turn.
type Ears struct {
	talk, prints *poll.Set
	buffer       []byte // of the goroutine of prints
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
	// hear takes one message that is there and returns zero. Otherwise there is
	// nothing to be heard for so long.
	hear  func() time.Duration
	watch *poll.Watch
}

// hear starts to hear one channel.
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

// hearLast hears what the dead vassal said and nobody had time for.
func (c *child) hearLast() {
	for _, e := range c.ears {
		e.watch.Stop()
		for n := 0; n < burst && e.hear() == 0; n++ {
		}
	}
}

// pacer bounds how often something happens. The zero value has a full burst.
type pacer struct {
	next time.Time // when the burst is full again
}

// pause counts one and returns the time until there may be another.
func (p *pacer) pause() time.Duration {
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	p.next = p.next.Add(pace)
	return max(0, p.next.Sub(now)-burst*pace)
}
