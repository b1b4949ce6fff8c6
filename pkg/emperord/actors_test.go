package emperord

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/pkg/emperor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestActorsEndInOrder: the emperor ends first, and others answer until it has ended.
func TestActorsEndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ends := make(chan string, 3)
		named := func(name string, takes time.Duration) actor {
			return task(func(ctx context.Context) {
				<-ctx.Done()
				time.Sleep(takes)
				ends <- name
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		a := actors{
			emperor: named("emperor", 2*time.Second),
			working: []actor{named("working", time.Second)}, answering: []actor{named("answering", 0)},
		}
		if err := a.run(ctx); err != nil {
			t.Error(err)
		}
		for _, want := range []string{"working", "emperor", "answering"} {
			if got := <-ends; got != want {
				t.Errorf("%s ended, want %s", got, want)
			}
		}
	})
}

// TestFirstErrorOfAnActorEndsAll: whichever actor fails, all end, and the first error is
// returned.
func TestFirstErrorOfAnActorEndsAll(t *testing.T) {
	wait := task(func(ctx context.Context) { <-ctx.Done() })
	wrong := errors.New("no")
	fail := func(context.Context) error { return wrong }
	late := func(ctx context.Context) error {
		<-ctx.Done()
		return errors.New("a later error")
	}
	for name, a := range map[string]actors{
		"emperor":   {emperor: fail, working: []actor{late}, answering: []actor{wait}},
		"working":   {emperor: wait, working: []actor{fail}, answering: []actor{late}},
		"answering": {emperor: late, working: []actor{wait}, answering: []actor{fail}},
	} {
		if err := a.run(t.Context()); !errors.Is(err, wrong) {
			t.Errorf("%s fails: %v", name, err)
		}
	}
}

// TestActorMayHaveNothingToDo: the end of an actor without an error ends no other.
func TestActorMayHaveNothingToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nothing := task(func(context.Context) {})
		began := time.Now()
		a := actors{
			emperor: task(func(context.Context) { time.Sleep(time.Minute) }),
			working: []actor{nothing}, answering: []actor{nothing},
		}
		if err := a.run(t.Context()); err != nil || time.Since(began) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// TestFailedServerIsStartedAgain: with growing pauses, also when its socket cannot be bound
// for a while, and without an end of the emperor.
func TestFailedServerIsStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var starts []time.Duration
		began, bound := time.Now(), 0
		var failed atomic.Uint64
		s := server{
			name: "anything", failed: &failed, log: slog.New(slog.NewTextHandler(&log, nil)),
			serve: func(ctx context.Context) error {
				starts = append(starts, time.Since(began))
				if len(starts) < 3 {
					return errors.New("accept: broken")
				}
				<-ctx.Done()
				return nil
			},
			reopen: func() error {
				if bound++; bound == 2 {
					return errors.New("bind: busy")
				}
				return nil
			},
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s.run(ctx)
		want := []time.Duration{0, 100 * time.Millisecond, 700 * time.Millisecond}
		if len(starts) != 3 || starts[1] != want[1] || starts[2] != want[2] {
			t.Errorf("started at %v, want %v", starts, want)
		}
		if n := failed.Load(); n != 3 {
			t.Errorf("%d failures are counted, want 3: two ends and one attempt to bind", n)
		}
		for _, text := range []string{"accept: broken", "bind: busy", "answers again"} {
			if !strings.Contains(log.String(), text) {
				t.Errorf("the log has no %q:\n%s", text, log.String())
			}
		}
	})
}

// TestFailuresAreVisible: an actor that fails is in the metrics and in the answer about the emperor.
func TestFailuresAreVisible(t *testing.T) {
	f := &failures{}
	if n := f.counts(); len(n) > 0 {
		t.Errorf("without a failure: %v", n)
	}
	f.of(actorStats).Add(2)
	answers := &control.Server{Emperor: without{}, Failures: f.counts}
	info, err := answers.About(t.Context())
	if err != nil || len(info.Failures) != 1 || info.Failures["stats"] != 2 {
		t.Errorf("%v, %v", info.Failures, err)
	}
	all := prometheus.NewPedanticRegistry()
	all.MustRegister(f)
	families, err := all.Gather()
	if err != nil || len(families) != 1 || len(families[0].GetMetric()) != 4 {
		t.Fatalf("%v, %v", families, err)
	}
	for _, m := range families[0].GetMetric() {
		want := map[string]float64{"stats": 2}[m.GetLabel()[0].GetValue()]
		if m.GetCounter().GetValue() != want {
			t.Errorf("%s: want %v", m, want)
		}
	}
}

// without is an emperor without vassals.
type without struct{ control.Emperor }

func (without) Records(context.Context) ([]emperor.Record, error) { return nil, nil }
