package emperord

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/environ"
	"github.com/emperor-go/emperor/pkg/emperor"
)

const (
	// serviceLook is the interval of polling the emperor for the service manager, and
	// startLook the interval while a start, a reload or the manager waits.
	serviceLook = time.Second
	startLook   = 20 * time.Millisecond
)

// service reports the emperor's state to the service manager (sd_notify(3)).
type service struct {
	emperor interface {
		Progress(context.Context) (emperor.Progress, error)
	}
	notify   func(state string) // to the manager
	watchdog time.Duration      // longest silence that the manager permits; zero: no limit

	ready, rolling bool
	rolls          int // reloads of all vassals, so far
	reported       int // number of vassals
	beat           time.Time
}

// ownEnviron returns the environment without the variables of the service manager for the emperor: programs
// of its hooks must not send notifications for it.
func ownEnviron() []string { return environ.Without(os.Environ(), environ.FromManager) }

// report reports to the service manager, if there is one, until ctx ends, and then that the
// emperor stops. It does not wait for a manager that does not listen.
func report(ctx context.Context, e *emperor.Emperor, log *slog.Logger) {
	join := aside(func() {
		if sent, _ := daemon.SdNotify(false, "STATUS=starting"); !sent {
			return
		}
		watchdog, err := daemon.SdWatchdogEnabled(false)
		if err != nil {
			log.Warn("cannot parse the service manager's request", "error", err)
		}
		s := service{emperor: e, watchdog: watchdog, reported: -1, notify: func(state string) { _, _ = daemon.SdNotify(false, state) }}
		s.run(ctx)
	})
	<-ctx.Done()
	join(logEnd)
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

// look reports changes, and returns whether no change is expected soon. A loop that does not
// answer leaves the watchdog without a heartbeat.
func (s *service) look(ctx context.Context) (calm bool) {
	p, err := s.emperor.Progress(ctx)
	if err != nil {
		return true
	}
	switch {
	case !s.ready && p.Begun:
		s.ready, s.reported, s.rolls = true, p.Vassals, p.Rolls
		s.notify("READY=1\n" + governing(p.Vassals))
	case s.ready && p.Rolls != s.rolls && !s.rolling: // it may be complete already
		s.rolling, s.rolls = true, p.Rolls
		s.notify("RELOADING=1\n" + monotonic() + "\nSTATUS=reloading")
		fallthrough
	case s.rolling:
		if !p.Rolling {
			s.rolling, s.reported = false, p.Vassals
			s.notify("READY=1\n" + governing(p.Vassals))
		}
	case s.ready && p.Vassals != s.reported:
		s.reported = p.Vassals
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

// monotonic returns the time that RELOADING requires.
func monotonic() string {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return fmt.Sprintf("MONOTONIC_USEC=%d", t.Nano()/1000)
}
