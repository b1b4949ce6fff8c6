package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

const (
	// clientFDs is how many descriptors clients of the control socket may take, and
	// launchFDs each launch, for a while.
	clientFDs, launchFDs = 128, 24
	// vassalTasks is how many threads the first process of a vassal and its least worker
	// have.
	vassalTasks = 11
)

// room is what the emperor's limits leave for vassals.
type room struct {
	limits []limit
	told   int // vassals
	log    *slog.Logger
}

// limit is one of them.
type limit struct {
	name, remedy string
	left, each   int // in all, and what one vassal takes
}

// measureRoom looks at the limits while there are no vassals.
func measureRoom(o *config.Emperor, log *slog.Logger) *room {
	r := &room{log: log}
	var nofile unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &nofile); err == nil {
		open, _ := os.ReadDir("/proc/self/fd")
		r.limits = append(r.limits, limit{
			"RLIMIT_NOFILE", "LimitNOFILE= in a unit of systemd, ulimit -n",
			int(min(nofile.Cur, math.MaxInt32)) - len(open) - clientFDs - o.Concurrency*launchFDs, descriptorsOf(o),
		})
	}
	if left, file := namespaces.TasksLeft(); file != "" {
		r.limits = append(r.limits, limit{file, "TasksMax= in a unit of systemd", left, vassalTasks})
	}
	return r
}

// descriptorsOf is how many the emperor has for each vassal: the pidfd, the pipe, the
// orders, its output, its notifications and its cgroup.
func descriptorsOf(o *config.Emperor) int {
	n := 6
	if !wrapping(o.Wrapping).None() {
		n++ // the config socket
	}
	if holds(o.OnDemand) {
		n += 2 // its own socket, and what waits for it
	}
	return n
}

// watch warns when there are more vassals than there is room for, until ctx ends.
func (r *room) watch(ctx context.Context, e *emperor.Emperor) {
	records, transitions, err := e.Transitions(ctx)
	if err != nil {
		return
	}
	r.check(len(records))
	for t := range transitions {
		if t.To != emperor.Queued && t.To != emperor.Waiting {
			continue
		}
		if p, err := e.Progress(ctx); err == nil {
			r.check(p.Vassals)
		}
	}
}

// check warns of each limit that is too low for so many vassals. It repeats itself
// when there are twice as many.
func (r *room) check(vassals int) {
	if vassals < 2*r.told {
		return
	}
	for _, l := range r.limits {
		if n := max(0, l.left) / l.each; vassals > n {
			r.told = vassals
			r.log.Warn(fmt.Sprintf("there is no room for %d vassals: %s has some for about %d, each takes %d (%s)", vassals, l.name, n, l.each, l.remedy))
		}
	}
}
