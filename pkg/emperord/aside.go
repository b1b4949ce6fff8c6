package emperord

import "time"

// aside runs f, which the kernel may block for good, in a goroutine. join waits for its end, at most for
// the limit: a blocked one is left behind.
func aside(f func()) (join func(limit time.Duration)) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f()
	}()
	return func(limit time.Duration) {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		select {
		case <-ended:
		case <-timer.C:
		}
	}
}
