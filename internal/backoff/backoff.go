// Package backoff is the arithmetic of waits between attempts.
package backoff

import "time"

// Wait returns the wait after a number of failures in a row. The first wait is initial; it
// doubles with each further failure, up to limit.
func Wait(initial, limit time.Duration, failures int) time.Duration {
	d := initial
	for ; failures > 1 && d < limit; failures-- {
		d *= 2
	}
	return min(d, limit)
}
