package backoff

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
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

func TestPauses(t *testing.T) {
	p := Pauses{First: 20 * time.Millisecond, Longest: 100 * time.Millisecond}
	next := func(want ...time.Duration) {
		t.Helper()
		for i, d := range want {
			if got := p.Next(); got != d*time.Millisecond {
				t.Errorf("pause %d is %v, want %v", i, got, d*time.Millisecond)
			}
		}
	}
	next(20, 40, 80, 100, 100)
	p.Limit(30 * time.Millisecond)
	next(30, 60, 100)
	p.Reset()
	p.Limit(50 * time.Millisecond)
	next(20, 40)
}

func TestPauseEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, began := Pauses{First: time.Second, Longest: time.Minute}, time.Now()
		if err := p.Wait(t.Context()); err != nil || time.Since(began) != time.Second {
			t.Errorf("the first pause: %v after %v", err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 2*time.Second {
			t.Errorf("the second pause: %v after %v", err, time.Since(began))
		}
	})
}
