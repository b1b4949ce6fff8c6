package emperord

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/emperor-go/emperor/pkg/emperor"
)

// exactURG is set by the linker when the Go runtime does not use SIGURG for its own purposes
// (asyncpreemptoff, see the Makefile). Otherwise a signal of the runtime cannot be
// distinguished from the operator's, and SIGURG is ignored.
var exactURG string

// handleSignals carries out signals of the operator, as uWSGI's Emperor does, until ctx ends. HUP, or
// a touched file of touch-reload, reads the emperor's options again and reloads all
// vassals. USR1 prints their states to the log, URG forgets failures, WINCH makes the monitors
// rescan. USR2 does the same as URG. Each signal is logged, because many have no visible
// effect; but a terminal whose window is resized sends dozens of WINCH.
func handleSignals(ctx context.Context, e *emperor.Emperor, tune *tuner, touched <-chan string, rescan func(), log *slog.Logger) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH)
	if exactURG != "" {
		signal.Notify(signals, syscall.SIGURG)
	}
	defer signal.Stop(signals)
	defer tune.end()
	for {
		var sig os.Signal
		select {
		case <-ctx.Done():
			return
		case file := <-touched:
			log.Info("touched: reloading all vassals", "file", file)
			tune.reload(ctx, e)
			continue
		case r := <-tune.outcomes:
			tune.settle(ctx, e, r)
			continue
		case <-tune.late:
			tune.giveUp(ctx, e)
			continue
		case sig = <-signals:
		}
		switch sig {
		case syscall.SIGHUP:
			log.Info("SIGHUP: reloading all vassals")
			tune.reload(ctx, e)
		case syscall.SIGURG, syscall.SIGUSR2:
			log.Info(unix.SignalName(sig.(syscall.Signal)) + ": forgetting failures")
			_ = e.DoAll(ctx, emperor.ForgiveAll)
		case syscall.SIGWINCH:
			level := slog.LevelInfo
			if term.IsTerminal(int(os.Stdin.Fd())) {
				level = slog.LevelDebug
			}
			log.Log(ctx, level, "SIGWINCH: rescanning the monitored directories")
			rescan()
		case syscall.SIGUSR1:
			records, err := e.Records(ctx)
			if err == nil {
				print(log, records)
			}
		}
	}
}

// print logs one line for each vassal.
func print(log *slog.Logger, records []emperor.Record) {
	log.Info("status", "vassals", len(records))
	for _, r := range records {
		attrs := []any{
			"vassal", r.Name, "state", r.State, "since", time.Since(r.Since).Round(time.Second), "pid", r.PID,
			"generation", r.Generation, "launches", r.Launches, "failures", r.Failures,
		}
		for _, more := range []struct{ key, value string }{
			{"reason", r.Why},
			{"fault", r.Fault},
			{"launch-error", r.LaunchError},
			{"reload-error", r.ReloadError},
			{"exit", r.Exit},
			{"address", r.Address},
			{"reported-status", r.Status},
		} {
			if more.value != "" {
				attrs = append(attrs, more.key, more.value)
			}
		}
		log.Info("status", attrs...)
	}
}
