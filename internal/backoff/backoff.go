// Package backoff is the arithmetic of pauses between attempts. Each pause is twice the previous
// one, up to a limit.
package backoff

import (
	"context"
	"time"
)

// Wait returns the wait after a number of failures in a row. The first wait is initial; it
// doubles with each further failure, up to limit.
func Wait(initial, limit time.Duration, failures int) time.Duration {
	d := initial
	for ; failures > 1 && d < limit; failures-- {
		d = Double(d, limit)
	}
	return min(d, limit)
}

// Double returns the pause after d.
func Double(d, limit time.Duration) time.Duration { return min(2*d, limit) }

// Pauses are the pauses between the attempts of one operation. One goroutine uses them.
type Pauses struct {
	// First and Longest limit them. Required.
	First, Longest time.Duration

	next time.Duration // zero: First
}

// Next returns the pause before the next attempt.
func (p *Pauses) Next() time.Duration {
	d := min(max(p.next, p.First), p.Longest)
	p.next = Double(d, p.Longest)
	return d
}

// Wait blocks for the next pause. When ctx ends earlier, it returns its error.
func (p *Pauses) Wait(ctx context.Context) error { return Pause(ctx, p.Next()) }

// Limit shortens the next pause to at most d; later ones double from there.
func (p *Pauses) Limit(d time.Duration) { p.next = min(p.next, d) }

// Reset makes First the next pause.
func (p *Pauses) Reset() { p.next = 0 }

// Pause blocks for a time. When ctx ends earlier, it returns its error.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
