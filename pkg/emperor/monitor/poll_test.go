package monitor

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestPollOfABrokenSource: an unusable answer changes nothing, and is logged once.
func TestPollOfABrokenSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []struct {
			list []Config
			err  error
		}{
			{list: []Config{{Name: "a.ini", Data: []byte("1")}}},
			{err: errors.New("connection refused")},
			{err: errors.New("connection refused")},
			{list: []Config{{Name: "a.ini"}, {Name: "a.ini"}}},
			{list: []Config{{Name: "", Data: []byte("1")}}},
			{list: []Config{{Name: "a.ini", Data: []byte("1")}}},
			{list: []Config{{Name: "a.ini", Data: []byte("1")}, {Name: "big.ini", Data: make([]byte, MaxConfig+1)}}},
		}
		var log bytes.Buffer
		calls := 0
		p := NewPoll("db", PollOptions{Log: slog.New(slog.NewTextHandler(&log, nil)), Fetch: func(context.Context) ([]Config, error) {
			a := answers[min(calls, len(answers)-1)]
			calls++
			return a.list, a.err
		}})
		var sets []string
		ctx, cancel := context.WithTimeout(t.Context(), 59*time.Second)
		defer cancel()
		if err := p.Run(ctx, func(s Set) { sets = append(sets, render(s)) }); err != nil {
			t.Error(err)
		}
		if got, want := strings.Join(sets, "|"), "a.ini=1|a.ini=1 big.ini=(is larger than 1 MB)"; got != want {
			t.Errorf("reported %q, want %q", got, want)
		}
		if n := strings.Count(log.String(), "connection refused"); n != 1 {
			t.Errorf("a failure is logged %d times:\n%s", n, log.String())
		}
		for _, want := range []string{`two vassals have the name`, `no vassal can have the name`, "can read the monitor again"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log has no %q:\n%s", want, log.String())
			}
		}
		if calls != 12 {
			t.Errorf("%d calls in 59 s, want 12", calls)
		}
	})
}

// TestPollFailsAtFirst: without a first set there is no monitor.
func TestPollFailsAtFirst(t *testing.T) {
	refused := errors.New("connection refused")
	p := NewPoll("db", PollOptions{Log: discard, Fetch: func(context.Context) ([]Config, error) { return nil, refused }})
	if err := p.Run(t.Context(), func(Set) { t.Error("a report") }); !errors.Is(err, refused) {
		t.Error(err)
	}
}

// TestPollIsHurried: Rescan does not wait for the interval, and Fetch has a limit.
func TestPollIsHurried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := make(chan time.Duration, 9)
		p := NewPoll("db", PollOptions{Log: discard, Interval: time.Hour, Fetch: func(ctx context.Context) ([]Config, error) {
			if len(calls) == 1 {
				<-ctx.Done()
				calls <- pollTimeout
				return nil, ctx.Err()
			}
			calls <- 0
			return nil, nil
		}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- p.Run(ctx, func(Set) {}) }()
		synctest.Wait()
		began := time.Now()
		p.Rescan()
		p.Rescan()
		time.Sleep(2 * pollTimeout)
		if took := time.Since(began); len(calls) < 2 || took != 2*pollTimeout {
			t.Errorf("%d calls in %v", len(calls), took)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
