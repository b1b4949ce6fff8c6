package emperor

import (
	"log/slog"
	"time"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

const (
	// unkillable is the time that a vassal has to end after it was killed, or its launch
	// after it was called off. A process in a system call that does not return, such as a
	// read from a network file system without its server, takes no signal.
	unkillable = namespaces.Unkillable
	// endWait is how long an emperor that ends without some of its vassals waits for the
	// goroutines of others.
	endWait = time.Second
)

// findStuck looks for the processes that hold up the end of a vassal, in a goroutine of its
// own: there may be many.
func (e *Emperor) findStuck(v *vassal) {
	t := foundStuck{generationOf: generationOf{v, v.generation}, state: v.state}
	pid := 0
	if v.process != nil {
		pid = v.process.PID()
	}
	e.group.Go(func() {
		if pid != 0 {
			t.stuck = namespaces.Stuck(pid)
		}
		e.post(t)
	})
}

// foundStuck: a vassal does not end.
type foundStuck struct {
	generationOf
	state State
	stuck []namespaces.StuckProcess
}

func (t foundStuck) apply(e *Emperor) {
	if t.stale() || t.v.state != t.state {
		return
	}
	for _, p := range t.stuck {
		t.v.log.Error("a process was killed and does not end", p.Attrs()...)
	}
	if !e.stopping {
		return
	}
	attrs := []any{slog.String("state", string(t.state))}
	if t.v.waitsFor != "" {
		attrs = append(attrs, slog.String("waits_for", t.v.waitsFor))
	}
	t.v.log.Error("it does not end: the emperor ends without it, and the next one collects what is left", attrs...)
	e.lost = true
	e.input(t.v, Lost)
}

// waitForGoroutines waits for all goroutines, or for a second if some cannot end.
func (e *Emperor) waitForGoroutines() {
	over := make(chan struct{})
	go func() {
		defer close(over)
		e.group.Wait()
	}()
	if !e.lost {
		<-over
		return
	}
	timer := time.NewTimer(endWait)
	defer timer.Stop()
	select {
	case <-over:
	case <-timer.C:
	}
}
