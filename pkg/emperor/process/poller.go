package process

import (
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

// Poller receive from all vassals of a Launcher. For any number of vassals, two goroutines wait:
// one for messages and deaths, and one for output, in which a vassal that prints much delays
// the output of others.
type Poller struct {
	messages, output *poll.Set
	buffer           []byte // of the output goroutine
	pipes            pipeSizer
}

// NewPoller starts the goroutines. The caller closes them after the last vassal's end.
func NewPoller() (*Poller, error) {
	messages, err := poll.New()
	if err != nil {
		return nil, err
	}
	output, err := poll.New()
	if err != nil {
		messages.Close()
		return nil, err
	}
	return &Poller{messages: messages, output: output, buffer: make([]byte, printTaken)}, nil
}

// Close ends the goroutines.
func (e *Poller) Close() {
	e.messages.Close()
	e.output.Close()
}

// channel is one channel of a vassal.
type channel struct {
	pacer
	// receive receives one message that has arrived and returns zero. Otherwise it returns how
	// long not to call it again.
	receive func() time.Duration
	watch   *poll.Watch
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
