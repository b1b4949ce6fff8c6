package emperor

import (
	"log/slog"
	"time"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// unkillable is the time that a vassal has to end after it was killed, or its launch
// after it was called off. A process in a system call that does not return, such as a
// read from a network file system without its server, takes no signal.
const unkillable = namespaces.Unkillable

// findStuck looks for the processes that hold up the end of a vassal, in a goroutine of its
// own: there may be many.
func findStuck(_ *Options, v *vassal) {
	t := foundStuck{generationOf: generationOf{v, v.run.generation}, since: v.since}
	pid := 0
	if v.run.process != nil {
		pid = v.run.process.PID()
	}
	v.group.Go(func() {
		if pid != 0 {
			t.stuck = namespaces.Stuck(pid)
		}
		v.post(t)
	})
}

// foundStuck: a vassal does not end.
type foundStuck struct {
	generationOf
	since time.Time // when it entered the state in which it does not end
	stuck []namespaces.StuckProcess
}

func (t foundStuck) apply(e *Emperor) {
	if t.stale() || t.v.since != t.since {
		return
	}
	for _, p := range t.stuck {
		t.v.log.Error("a process was killed and does not end", p.Attrs()...)
	}
	if !e.stopping {
		return
	}
	attrs := []any{slog.String("state", string(t.v.state))}
	if t.v.history.waitsFor != "" {
		attrs = append(attrs, slog.String("waits_for", t.v.history.waitsFor))
	}
	t.v.log.Error("it does not end: the emperor ends without it, and the next one collects the rest", attrs...)
	e.lost = true
	e.input(t.v, Lost)
}
