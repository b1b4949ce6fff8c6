package turn

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func take(t *testing.T, l *Line, order uint64) (done func()) {
	t.Helper()
	done, err := l.Take(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// The lowest order is next, in whatever order the callers came.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(1)
		first := take(t, l, 9)
		var turns []uint64
		for _, order := range []uint64{5, 3, 4, 3} {
			go func() {
				done := take(t, l, order)
				turns = append(turns, order)
				done()
			}()
			synctest.Wait()
		}
		if len(turns) > 0 {
			t.Errorf("%d had a turn beside the first", turns)
		}
		first()
		synctest.Wait()
		if want := []uint64{3, 3, 4, 5}; !slices.Equal(turns, want) {
			t.Errorf("the turns were %d, want %d", turns, want)
		}
	})
}

// A holder that takes long delays the next one only by patience, and its end gives no second
// turn.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(1)
		slow := take(t, l, 1)
		began := time.Now()
		second := take(t, l, 2)
		if waited := time.Since(began); waited != patience {
			t.Errorf("the next waited %v", waited)
		}
		slow()
		began = time.Now()
		third := take(t, l, 3)
		if waited := time.Since(began); waited != patience {
			t.Errorf("beside the second, the third waited %v", waited)
		}
		second()
		third()
	})
}

// At most size callers have a turn at a time, and as many if they come.
func TestSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, size := range []int{0, 1, 3} {
			l := New(size)
			var now, most atomic.Int32
			for i := range 20 {
				go func() {
					done := take(t, l, uint64(i))
					most.Store(max(most.Load(), now.Add(1)))
					time.Sleep(patience / 10)
					now.Add(-1)
					done()
				}()
			}
			time.Sleep(20 * patience)
			if want := int32(max(size, 1)); most.Load() != want {
				t.Errorf("size %d: %d at a time", size, most.Load())
			}
		}
	})
}

// A caller that gives up leaves no gap in the line.
func TestGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(1)
		done := take(t, l, 1)
		ctx, cancel := context.WithTimeout(t.Context(), patience/2)
		defer cancel()
		if _, err := l.Take(ctx, 2); err == nil {
			t.Error("a turn after the end of the context")
		}
		if _, err := l.Take(ctx, 2); err == nil {
			t.Error("a turn with a context that has ended")
		}
		done()
		began := time.Now()
		take(t, l, 3)()
		if waited := time.Since(began); waited != 0 {
			t.Errorf("the next waited %v", waited)
		}
	})
}
