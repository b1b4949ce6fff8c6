package emperor

import "time"

// Backoff says how long to wait before a vassal that failed is launched again.
type Backoff struct {
	// Initial is the wait after the first failure. Required.
	Initial time.Duration
	// Max bounds the wait, which doubles with each failure. Required.
	Max time.Duration
	// Reset is how long a vassal must run for its failures to be forgotten.
	Reset time.Duration
}

// wait is the time to wait after that many failures in a row.
func (b Backoff) wait(failures int) time.Duration {
	d := b.Initial
	for ; failures > 1 && d < b.Max; failures-- {
		d *= 2
	}
	return min(d, b.Max)
}
