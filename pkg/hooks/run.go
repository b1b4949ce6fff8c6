package hooks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/emperor-go/emperor/internal/assist"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Environment is the environment and the working directory of a hook.
type Environment struct {
	// Vars is the whole environment, as KEY=value. Empty means empty.
	Vars []string
	// Dir is the working directory. Empty: the directory of this process.
	Dir string
}

// Through returns the program that executes the program at path with argv, its own arguments, and a file
// for its descriptor 3. The caller closes the file.
type Through func(path string, argv []string) (program string, args []string, file *os.File, err error)

// Lookup returns the addresses of a host's name, in the order of preference. The network is ip4 or ip.
// The name is never a number.
type Lookup = assist.Lookup

// Runner runs the hooks of one vassal. It may be copied and used concurrently.
type Runner struct {
	Environment
	// Subject is the vassal, for functions and programs.
	Subject Subject
	// Context is uWSGI's context of a hook: the vassal in the emperor's phases, the file of a
	// touch hook. Empty: none.
	Context string
	// Own: this process is the vassal, and hooks may change its environment and working
	// directory. Otherwise such changes last until the end of Run.
	Own bool
	// Shells are tried in order for commands, before /bin/sh.
	Shells []string
	// Join runs a hook of the phase that enters namespaces, in a helper process. Nil: such
	// hooks fail.
	Join func(ctx context.Context, h Hook, e Environment, output func(line string)) error
	// Stop lets the hook that runs end by itself, and no other one begin, once it is closed.
	// Nil: never.
	Stop <-chan struct{}
	// Timeout limits each hook. Zero: no limit. A C function cannot be interrupted.
	Timeout time.Duration
	// Log gets one line per hook and one per line of output, of a failed one as warnings.
	// A failure that Run returns is not logged. Required.
	Log *slog.Logger
	// Lookup finds the addresses of a host for waits. Nil: only names in /etc/hosts have any.
	Lookup Lookup
	// Through executes the programs of hooks. Nil: they are executed directly.
	Through Through
	// Cgroups is the root in which each program of a hook gets a cgroup of its own, which
	// contains everything that a failed program leaves behind. Nil: only the process group is
	// killed.
	Cgroups *namespaces.CgroupRoot
	// Begin is called before each hook, with its phase, index and text. Nil: no call.
	Begin func(Result)
	// Observe is called after each hook. Nil: no call.
	Observe func(Result)
}

// ErrTimeout is wrapped by the error of a hook that was killed because it ran longer than
// Runner.Timeout.
var ErrTimeout = errors.New("timed out")

// ErrStopped is wrapped by the error of a phase whose next hook did not begin.
var ErrStopped = errors.New("stopped")

// Run runs the hooks of one phase in order and blocks until the last is done. All run on the
// caller's goroutine, because a C function acts on its thread. In a fatal phase the first
// failure ends the phase and is returned, as `a.ini:7: hook as-root #2 (exec: …): exit status
// 1`. In any other phase failures are logged and the next hook runs. A prefix of the hook
// overrides both. When ctx ends, the running hook is killed with its process group, and Run
// returns ctx's error in any phase. When Stop is closed before the last hook, Run returns
// ErrStopped.
func (r Runner) Run(ctx context.Context, p Phase, list []Hook) error {
	if len(list) == 0 {
		return nil
	}
	info, ok := p.Info()
	if !ok {
		return fmt.Errorf("cannot run hooks: unknown phase %q", p)
	}
	s := &scene{Environment: r.Environment, phase: p, who: r.Subject, own: r.Own, shells: r.Shells, lookup: r.Lookup, through: r.Through, cgroups: r.Cgroups}
	s.Vars = append(append([]string{}, r.Vars...), "UWSGI_HOOK_PHASE="+string(p))
	if r.Context != "" {
		s.Vars = append(s.Vars, "UWSGI_HOOK_CONTEXT="+r.Context)
	}
	for i, h := range list {
		if r.stopped() {
			return h.failed(i+1, ErrStopped)
		}
		err := r.one(ctx, i+1, h, s, h.fatal(info.Fatal))
		if ctx.Err() != nil {
			return h.failed(i+1, ctx.Err())
		}
		if err != nil {
			return h.failed(i+1, err)
		}
	}
	return nil
}

// Logged calls Run and only logs a failure.
func (r Runner) Logged(ctx context.Context, p Phase, list []Hook) {
	if err := r.Run(ctx, p, list); err != nil && ctx.Err() == nil {
		r.Log.Error("hooks aborted", "error", err)
	}
}

// one runs one hook, and returns its failure when that ends the phase.
func (r Runner) one(ctx context.Context, index int, h Hook, s *scene, fatal bool) error {
	whole := ctx
	log := r.Log.With("hook", string(h.spec.Phase), "index", index)
	if r.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.Timeout, fmt.Errorf("%w after %v", ErrTimeout, r.Timeout))
		defer cancel()
	}
	out := &outputLog{log: log}
	s.output = out.line
	if r.Begin != nil {
		r.Begin(resultOf(h, index, nil, 0))
	}
	start := time.Now()
	err := r.act(ctx, h, s)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, ErrTimeout) {
		err = cause
	}
	if h.hidden {
		err = hide(err)
	}
	took := time.Since(start).Round(time.Millisecond)
	last := out.end(err != nil && whole.Err() == nil)
	reported := err
	if !h.hidden {
		reported = withLast(err, last)
	}
	var exit *ExitError
	fatal = fatal || errors.As(err, &exit)
	switch {
	case err == nil:
		log.Info("hook done", "took", took)
	case !fatal || whole.Err() != nil || r.stopped(): // the caller does not report it
		log.Warn("hook failed", "command", h.shown(), "at", h.spec.Origin, "error", err, "took", took)
	}
	if r.Observe != nil {
		r.Observe(resultOf(h, index, reported, took))
	}
	if !fatal {
		return nil
	}
	return reported
}

func (r Runner) stopped() bool {
	select {
	case <-r.Stop:
		return true
	default:
		return false
	}
}

func (r Runner) act(ctx context.Context, h Hook, s *scene) error {
	if h.spec.Phase != AsEmperorSetns {
		return h.action(ctx, s)
	}
	if r.Join == nil {
		return errors.New("this program cannot enter namespaces")
	}
	return r.Join(ctx, h, s.Environment, s.output)
}
