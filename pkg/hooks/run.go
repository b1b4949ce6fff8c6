package hooks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Environment is what a hook finds around it.
type Environment struct {
	// Vars is the whole environment, as KEY=value. Empty means empty.
	Vars []string
	// Dir is the working directory. Empty: that of this process.
	Dir string
}

// Runner runs the hooks of one vassal. It may be copied and used concurrently.
type Runner struct {
	Environment
	// Timeout bounds each hook. Zero: no bound.
	Timeout time.Duration
	// Log gets one line per hook and one per line of output. Required.
	Log *slog.Logger
}

// ErrTimeout is wrapped by the error of a hook that was killed because it ran
// longer than Runner.Timeout.
var ErrTimeout = errors.New("timed out")

// Run runs the hooks of one phase in order and blocks until the last is done. In
// a fatal phase the first failure ends it and is returned, as `hook as-root #2
// (exec: …): exit status 1`. In any other phase failures are logged and the next
// hook runs. When ctx ends, the running hook is killed with its process group
// and ctx's error is returned, whatever the phase.
func (r Runner) Run(ctx context.Context, p Phase, list []Hook) error {
	info, ok := p.Info()
	if !ok {
		return fmt.Errorf("cannot run hooks: unknown phase %q", p)
	}
	for i, h := range list {
		err := r.one(ctx, i+1, h)
		if ctx.Err() != nil {
			return fmt.Errorf("hook %s #%d (%s: %s): %w", p, i+1, h.spec.Kind, h.spec.Text, ctx.Err())
		}
		if err != nil && info.Fatal {
			return fmt.Errorf("hook %s #%d (%s: %s): %w", p, i+1, h.spec.Kind, h.spec.Text, err)
		}
	}
	return nil
}

func (r Runner) one(ctx context.Context, index int, h Hook) error {
	log := r.Log.With("hook", string(h.spec.Phase), "index", index)
	if r.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.Timeout, fmt.Errorf("%w after %v", ErrTimeout, r.Timeout))
		defer cancel()
	}
	start := time.Now()
	err := h.action.run(ctx, r.Environment, func(line string) { log.Info(line) })
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, ErrTimeout) {
		err = cause
	}
	took := time.Since(start).Round(time.Millisecond)
	if err != nil {
		log.Warn("hook failed", "command", h.spec.Text, "error", err, "took", took)
		return err
	}
	log.Debug("hook done", "command", h.spec.Text, "took", took)
	return nil
}
