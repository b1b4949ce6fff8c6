package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/emperor"
)

const (
	// serviceLook is the time between two looks at the emperor for the service
	// manager, and startLook while it or somebody else waits for something.
	serviceLook = time.Second
	startLook   = 20 * time.Millisecond
)

// service tells the service manager how the emperor is (sd_notify(3)).
type service struct {
	emperor interface {
		Progress(context.Context) (emperor.Progress, error)
	}
	notify   func(state string) // to the manager
	watchdog time.Duration      // longest silence that the manager bears; zero: any

	ready, rolling bool
	rolls          int // of all vassals, that were begun
	told           int // how many vassals
	beat           time.Time
}

// ownEnviron is the environment without what is for the emperor alone: what its
// hooks start shall not speak for it.
func ownEnviron() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "NOTIFY_SOCKET=") || strings.HasPrefix(v, "WATCHDOG_")
	})
}

// telling tells the service manager, if there is one, until the function is called
// that it returns. That one returns when the manager knows that the emperor stops,
// or does not listen.
func telling(ctx context.Context, e *emperor.Emperor, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	told := make(chan struct{})
	go func() {
		defer close(told)
		report(ctx, e, log)
	}()
	return func() {
		cancel()
		timer := time.NewTimer(logEnd)
		defer timer.Stop()
		select {
		case <-told:
		case <-timer.C:
		}
	}
}

// report tells the service manager until ctx ends, and then that the emperor stops.
func report(ctx context.Context, e *emperor.Emperor, log *slog.Logger) {
	if sent, _ := daemon.SdNotify(false, "STATUS=starting"); !sent {
		return
	}
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("cannot tell what the service manager wants", "error", err)
	}
	s := service{emperor: e, watchdog: watchdog, told: -1, notify: func(state string) { _, _ = daemon.SdNotify(false, state) }}
	s.run(ctx)
}

func (s *service) run(ctx context.Context) {
	for {
		pause := serviceLook
		if s.watchdog > 0 {
			pause = min(pause, s.watchdog/3)
		}
		if !s.look(ctx) {
			pause = startLook
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			s.notify("STOPPING=1\nSTATUS=stopping")
			return
		case <-timer.C:
		}
	}
}

// look tells what has changed, and reports whether nothing is expected to change
// soon. A loop that does not answer does not keep the watchdog quiet.
func (s *service) look(ctx context.Context) (calm bool) {
	p, err := s.emperor.Progress(ctx)
	if err != nil {
		return true
	}
	switch {
	case !s.ready && p.Begun:
		s.ready, s.told, s.rolls = true, p.Vassals, p.Rolls
		s.notify("READY=1\n" + governing(p.Vassals))
	case s.ready && p.Rolls != s.rolls && !s.rolling: // it may be over already
		s.rolling, s.rolls = true, p.Rolls
		s.notify("RELOADING=1\n" + monotonic() + "\nSTATUS=reloading")
		fallthrough
	case s.rolling:
		if !p.Rolling {
			s.rolling, s.told = false, p.Vassals
			s.notify("READY=1\n" + governing(p.Vassals))
		}
	case s.ready && p.Vassals != s.told:
		s.told = p.Vassals
		s.notify(governing(p.Vassals))
	}
	if s.watchdog > 0 && time.Since(s.beat) >= s.watchdog/3 {
		s.beat = time.Now()
		s.notify("WATCHDOG=1")
	}
	return s.ready && !s.rolling
}

func governing(vassals int) string {
	if vassals == 1 {
		return "STATUS=governing 1 vassal"
	}
	return fmt.Sprintf("STATUS=governing %d vassals", vassals)
}

// monotonic is the time that has to stand beside RELOADING.
func monotonic() string {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return fmt.Sprintf("MONOTONIC_USEC=%d", t.Nano()/1000)
}
