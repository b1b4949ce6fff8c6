package emperor

import (
	"time"

	"github.com/emperor-go/emperor/internal/backoff"
)

// Backoff decides how long to wait before a vassal that failed is launched again.
type Backoff struct {
	// Initial is the wait after the first failure. Required.
	Initial time.Duration
	// Max limits the wait, which doubles with each failure. Required.
	Max time.Duration
	// Reset is how long a vassal must run for its failures to be forgotten.
	Reset time.Duration
	// Jitter is the largest part of the wait that is added to it at random, so that vassals
	// that failed together do not restart together. Zero: none.
	Jitter float64
	// Limit is the number of failures in a row after which the vassal rests until its
	// configuration changes or the operator starts it. Zero: no limit.
	Limit int
}

// wait returns the time to wait after that many failures in a row. chance is between 0 and 1.
func (b Backoff) wait(failures int, chance float64) time.Duration {
	d := backoff.Wait(b.Initial, b.Max, failures)
	return d + time.Duration(float64(d)*b.Jitter*chance)
}
