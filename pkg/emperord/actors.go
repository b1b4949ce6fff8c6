package emperord

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emperor-go/emperor/internal/backoff"
)

// actor is a long-lived part of the emperor. It returns when ctx ends, or when it has nothing
// to do any more. Its error ends the emperor.
type actor func(ctx context.Context) error

// task is an actor that cannot fail.
func task(f func(ctx context.Context)) actor {
	return func(ctx context.Context) error {
		f(ctx)
		return nil
	}
}

// actors are all goroutines of a running emperor.
type actors struct {
	// emperor supervises the vassals. The others serve it.
	emperor actor
	// working end when the emperor begins to stop, and answering when it has ended.
	working, answering []actor
}

// run executes all actors and returns when all have returned, with the first error. The end of
// ctx, of the emperor, or an error of any actor ends all: the emperor first, because it stops
// its vassals, and the answering ones last.
func (a actors) run(ctx context.Context) error {
	working, stop := context.WithCancel(ctx)
	defer stop()
	answering, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var mu sync.Mutex
	var first error
	act := func(ctx context.Context, f actor) {
		if err := f(ctx); err != nil {
			mu.Lock()
			defer mu.Unlock()
			if first == nil {
				first = err
			}
			stop()
		}
	}
	var others sync.WaitGroup
	for _, f := range a.working {
		others.Go(func() { act(working, f) })
	}
	for _, f := range a.answering {
		others.Go(func() { act(answering, f) })
	}
	act(working, a.emperor)
	stop()
	end()
	others.Wait()
	return first
}

const (
	// firstRestart is the pause before a failed server is started again. It doubles up to
	// lastRestart, and starts over after a server has run that long.
	firstRestart = 100 * time.Millisecond
	lastRestart  = 30 * time.Second
)

// server is a socket with its service.
type server struct {
	name string // in the log
	// serve answers until ctx ends. reopen binds the socket again after an error of serve.
	serve  func(ctx context.Context) error
	reopen func() error
	failed *atomic.Uint64 // counts errors of both
	log    *slog.Logger
}

// run serves until ctx ends. After a failure it starts the service again.
func (s server) run(ctx context.Context) {
	pauses := backoff.Pauses{First: firstRestart, Longest: lastRestart}
	for {
		began := time.Now()
		err := s.serve(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("it has ended")
		}
		s.failed.Add(1)
		if time.Since(began) >= lastRestart {
			pauses.Reset()
		}
		pause := pauses.Next()
		s.log.Error("control socket stopped; starting it again", "for", s.name, "in", pause, "error", err)
		for {
			if backoff.Pause(ctx, pause) != nil {
				return
			}
			if err = s.reopen(); err == nil {
				break
			}
			s.failed.Add(1)
			pause = pauses.Next()
			s.log.Error("cannot start the control socket again", "for", s.name, "next", pause, "error", err)
		}
		s.log.Info("control socket answers again", "for", s.name)
	}
}
