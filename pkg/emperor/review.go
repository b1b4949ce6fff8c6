package emperor

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

const (
	// checkGrace is how long reports to the loop wait for a check that does not end.
	checkGrace = 250 * time.Millisecond
	// checksAtOnce is how many checks begin before the first of them has ended. The others follow, or begin when
	// none ends for checkGrace.
	checksAtOnce = 16
	// checkAgain is the pause before a check that took too long is repeated.
	checkAgain = time.Second
)

// review runs the checks of one monitor's configurations, concurrently and once for each
// version. One goroutine uses it.
type review struct {
	loop      *mailbox
	rounds    *atomic.Uint64 // of checks; one of an earlier round is old
	source    int
	log       *slog.Logger
	set       monitor.Set
	check     func(monitor.Config) (Facts, error)
	known     map[string]*checked // by name: the result of the last check
	begun     map[string]monitor.Config
	waiting   []monitor.Config // of these, the ones whose check has not started yet
	running   int              // checks
	plans     map[string]*Plan // as last reported to the loop
	over      chan *checked
	slow      *time.Timer // fires when reports no longer wait for running checks
	retry     *time.Timer // fires when checks that took too long are repeated
	impatient bool        // running checks are not waited for
	changed   bool        // the loop needs a report
}

// checked is a configuration with the result of its check, which is the Err of the plan if it
// failed.
type checked struct {
	plan  *Plan
	round uint64
}

func newReview(e *Emperor, source int) *review {
	r := &review{
		loop: e.mailbox, rounds: &e.checks, source: source, log: e.options.Log, check: e.options.Check, known: map[string]*checked{},
		begun: map[string]monitor.Config{}, over: make(chan *checked),
	}
	r.slow, r.retry = time.NewTimer(checkGrace), time.NewTimer(checkAgain)
	r.stop()
	return r
}

func (r *review) stop() {
	r.slow.Stop()
	r.retry.Stop()
}

// monitorEndWait is how long the end of a monitor is waited for. One that hangs in the kernel does
// not end.
const monitorEndWait = time.Second

// run runs the monitor and reviews its results, outside the loop, until ctx ends.
func (r *review) run(ctx context.Context, m monitor.Monitor) {
	sets, ended := make(chan monitor.Set), make(chan error, 1)
	go func() {
		ended <- m.Run(ctx, func(set monitor.Set) {
			select {
			case sets <- set:
			case <-ctx.Done():
			}
		})
	}()
	defer r.stop()
	for {
		select {
		case set := <-sets:
			r.start(ctx, set)
		case f := <-r.over:
			r.record(ctx, f)
		case <-r.slow.C:
			r.impatient = true
			r.startWaiting(ctx, len(r.waiting))
		case <-r.retry.C:
			r.start(ctx, r.set)
		case err := <-ended:
			r.monitorEnded(err)
			return
		case <-ctx.Done():
			select {
			case err := <-ended:
				r.monitorEnded(err)
			case <-time.After(monitorEndWait):
				r.log.Warn("a monitor does not end: it is left behind", "monitor", m.String())
			}
			return
		}
		r.report()
	}
}

// monitorEnded reports to the loop that a monitor could not begin.
func (r *review) monitorEnded(err error) {
	if err != nil {
		r.loop.post(monitorFailed{err})
	}
}

// start begins the checks that a set needs.
func (r *review) start(ctx context.Context, set monitor.Set) {
	r.set, r.changed, r.impatient = set, true, false
	r.slow.Reset(checkGrace)
	for i := range set {
		if _, runs := r.begun[set[i].Name]; !runs && r.due(set[i]) {
			r.want(ctx, set[i])
		}
	}
}

// due reports whether a configuration must be checked.
func (r *review) due(c monitor.Config) bool {
	if c.Err != nil || r.check == nil {
		return false
	}
	f, known := r.known[c.Name]
	return !known || f.round != r.rounds.Load() || !f.plan.is(c) || errors.Is(f.plan.Err, reads.ErrSlow)
}

// want begins a check as soon as there is a place for it.
func (r *review) want(ctx context.Context, c monitor.Config) {
	r.begun[c.Name] = c
	r.waiting = append(r.waiting, c)
	r.startWaiting(ctx, checksAtOnce-r.running)
}

// startWaiting starts up to n of the checks that wait.
func (r *review) startWaiting(ctx context.Context, n int) {
	for ; n > 0 && len(r.waiting) > 0; n-- {
		r.startCheck(ctx, r.waiting[0])
		r.waiting[0] = monitor.Config{}
		r.waiting = r.waiting[1:]
	}
	if len(r.waiting) == 0 {
		r.waiting = nil // with its array
	}
}

func (r *review) startCheck(ctx context.Context, c monitor.Config) {
	r.running++
	round := r.rounds.Load()
	go func() {
		f := &checked{&Plan{Config: c}, round}
		f.plan.Facts, f.plan.Err = r.check(c)
		select {
		case r.over <- f:
		case <-ctx.Done():
		}
	}()
}

// record records the result of a check, unless the file has changed in the meantime.
func (r *review) record(ctx context.Context, f *checked) {
	name := f.plan.Name
	delete(r.begun, name)
	r.running--
	r.startWaiting(ctx, checksAtOnce-r.running)
	r.changed = true
	r.slow.Reset(checkGrace)
	i, there := slices.BinarySearchFunc(r.set, name, func(c monitor.Config, name string) int { return strings.Compare(c.Name, name) })
	if !there {
		return
	}
	r.known[name] = f
	switch c := r.set[i]; {
	case !f.plan.is(c) && r.due(c):
		r.want(ctx, c)
	case errors.Is(f.plan.Err, reads.ErrSlow):
		r.retry.Reset(checkAgain)
	}
}

// report sends the plans to the loop, when all checks have ended or take too long.
func (r *review) report() {
	if !r.changed || len(r.begun) > 0 && !r.impatient {
		return
	}
	r.changed = false
	plans, named := make([]*Plan, len(r.set)), make(map[string]*Plan, len(r.set))
	known := make(map[string]*checked, len(r.set))
	for i, c := range r.set {
		plans[i] = r.plan(c)
		named[c.Name] = plans[i]
		if f, ok := r.known[c.Name]; ok && c.Err == nil {
			known[c.Name] = f
		}
	}
	r.plans, r.known = named, known
	r.loop.post(monitorReported{r.source, plans})
}

// plan returns a configuration with the result of its check; while that runs, the previous
// plan.
func (r *review) plan(c monitor.Config) *Plan {
	if _, runs := r.begun[c.Name]; runs {
		if before, ok := r.plans[c.Name]; ok {
			return before
		}
		c.Data, c.Err = nil, monitor.ErrReading
		return &Plan{Config: c}
	}
	f, ok := r.known[c.Name]
	switch {
	case !ok || c.Err != nil:
		return &Plan{Config: c}
	case f.plan.is(c) && f.plan.Path == c.Path && f.plan.Dir == c.Dir && f.plan.Entry == c.Entry && f.plan.Printed == c.Printed:
		return f.plan // shared, and not once for each report
	}
	p := &Plan{Config: c, Facts: f.plan.Facts}
	p.Err = f.plan.Err
	return p
}
