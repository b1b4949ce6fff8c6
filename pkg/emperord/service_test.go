package emperord

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor"
)

// course answers with one progress after the other, then with the last.
type course []emperor.Progress

func (c *course) Progress(context.Context) (emperor.Progress, error) {
	p := (*c)[0]
	if len(*c) > 1 {
		*c = (*c)[1:]
	}
	return p, nil
}

func TestServiceManagerIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said []string
		s := service{
			emperor: &course{
				{},
				{Vassals: 2},
				{Begun: true, Vassals: 2},
				{Begun: true, Vassals: 1},
				{Begun: true, Vassals: 1, Rolling: true}, // one that was touched
				{Begun: true, Vassals: 1, Rolling: true, Rolls: 1},
				{Begun: true, Vassals: 3, Rolling: true, Rolls: 1},
				{Begun: true, Vassals: 2, Rolls: 1},
				{Begun: true, Vassals: 2, Rolls: 2}, // complete before it was seen
			},
			reported: -1, watchdog: 30 * time.Second,
			notify: func(state string) {
				if state == "WATCHDOG=1" && slices.Contains(said, state) {
					return
				}
				said = append(said, strings.Split(strings.ReplaceAll(state, "\n", " "), " MONOTONIC")[0])
			},
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s.run(ctx)
		want := []string{
			"WATCHDOG=1", "READY=1 STATUS=governing 2 vassals", "STATUS=governing 1 vassal", "RELOADING=1",
			"READY=1 STATUS=governing 2 vassals", "RELOADING=1", "READY=1 STATUS=governing 2 vassals", "STOPPING=1 STATUS=stopping",
		}
		if !slices.Equal(said, want) {
			t.Errorf("said %q\nwant %q", said, want)
		}
	})
}

// silent does not answer, like a loop that hangs.
type silent struct{}

func (silent) Progress(ctx context.Context) (emperor.Progress, error) {
	<-ctx.Done()
	return emperor.Progress{}, ctx.Err()
}

func TestLoopThatHangsDoesNotKeepTheWatchdogQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		beats := 0
		s := service{emperor: silent{}, watchdog: time.Second, notify: func(state string) {
			if state == "WATCHDOG=1" {
				beats++
			}
		}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s.run(ctx)
		if beats != 0 {
			t.Errorf("%d beats", beats)
		}
	})
}
