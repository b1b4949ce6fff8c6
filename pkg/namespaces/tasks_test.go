package namespaces

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestRoom(t *testing.T) {
	for _, test := range []struct {
		most, now string
		want      int
	}{
		{"max\n", "7\n", math.MaxInt},
		{"100\n", "7\n", 93},
		{"5\n", "7\n", 0},
		{"0\n", "0\n", 0},
		{"", "", math.MaxInt},
		{"100\n", "", math.MaxInt},
	} {
		if got := room(test.most, test.now); got != test.want {
			t.Errorf("%q, %q: %d, want %d", test.most, test.now, got, test.want)
		}
	}
}

// Bounded runs all functions, and at most AtOnce of them at the same time.
func TestBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		places = make(chan struct{}, AtOnce) // belongs to this bubble
		var now, most, done atomic.Int64
		var group sync.WaitGroup
		for range 10 * AtOnce {
			group.Go(func() {
				Bounded(func() {
					most.Store(max(most.Load(), now.Add(1)))
					time.Sleep(time.Second)
					now.Add(-1)
					done.Add(1)
				})
			})
		}
		group.Wait()
		if most.Load() != AtOnce || done.Load() != 10*AtOnce {
			t.Errorf("%d at a time, %d done", most.Load(), done.Load())
		}
	})
	places = make(chan struct{}, AtOnce)
}
