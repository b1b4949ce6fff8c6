package backoff

import (
	"testing"
	"time"
)

func TestWait(t *testing.T) {
	for failures, want := range map[int]time.Duration{
		0: 500 * time.Millisecond, 1: 500 * time.Millisecond, 2: time.Second, 3: 2 * time.Second,
		6: 16 * time.Second, 7: 30 * time.Second, 8: 30 * time.Second, 1 << 40: 30 * time.Second,
	} {
		if got := Wait(500*time.Millisecond, 30*time.Second, failures); got != want {
			t.Errorf("after %d failures: %v, want %v", failures, got, want)
		}
	}
	if got := Wait(time.Minute, time.Second, 1); got != time.Second {
		t.Errorf("a limit below the first wait: %v", got)
	}
}
