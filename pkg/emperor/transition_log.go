package emperor

import (
	"context"
	"log/slog"
	"time"
)

// transitionLine is the log line of the transitions into a state.
type transitionLine struct {
	level slog.Level
	more  func(*Options, *vassal) []slog.Attr // further attributes; nil: none
}

// transitionLines are the lines with a level other than Info, or with further attributes.
var transitionLines = map[State]transitionLine{
	// Transient: left again within the same event, or the work is still to come.
	Queued:    {level: slog.LevelDebug},
	Launching: {level: slog.LevelDebug},
	Settled:   {slog.LevelDebug, ofLaunchError},

	Running:  {more: afterTime},
	Clearing: {more: ofExit},
	Idle:     {more: ofReason},

	BackingOff: {slog.LevelWarn, ofBackoff},
	Throttled:  {level: slog.LevelWarn},
	Cursed:     {level: slog.LevelWarn},
	Reverting:  {level: slog.LevelWarn},
}

// logTransition logs the transition of a vassal into another state.
func logTransition(o *Options, v *vassal, next State) {
	line := transitionLines[next]
	attrs := []slog.Attr{slog.Uint64("generation", v.run.generation)}
	if v.run.process != nil {
		attrs = append(attrs, slog.Int("pid", v.run.process.PID()))
	}
	if line.more != nil {
		attrs = append(attrs, line.more(o, v)...)
	}
	v.log.LogAttrs(context.Background(), line.level, string(v.state)+" -> "+string(next), attrs...)
}

func afterTime(_ *Options, v *vassal) []slog.Attr {
	return []slog.Attr{slog.Duration("after", time.Since(v.since).Round(100*time.Microsecond))}
}

func ofExit(_ *Options, v *vassal) []slog.Attr {
	if v.history.exit == nil {
		return nil
	}
	return []slog.Attr{slog.String("exit", v.history.exit.String())}
}

func ofLaunchError(_ *Options, v *vassal) []slog.Attr {
	if v.history.cause == nil {
		return nil
	}
	return []slog.Attr{slog.Any("error", v.history.cause)}
}

func ofReason(o *Options, v *vassal) []slog.Attr {
	why := v.situation(o).resting()
	if why == "" {
		return nil
	}
	return []slog.Attr{slog.String("why", why)}
}

func ofBackoff(_ *Options, v *vassal) []slog.Attr {
	return []slog.Attr{slog.Duration("wait", v.history.pause.Round(time.Millisecond)), slog.Int("failures", v.outcome.failures)}
}
