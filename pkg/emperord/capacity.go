package emperord

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/vassalfiles"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

const (
	// clientFDs is how many descriptors clients of the control socket may use, and launchFDs
	// each launch, for a while.
	clientFDs, launchFDs = 128, 24
	// vassalTasks is the number of threads of a vassal's first process and its smallest
	// worker.
	vassalTasks = 11
)

// room is the number of vassals that the emperor's limits permit.
type room struct {
	limits   []limit
	reported int // number of vassals
	log      *slog.Logger
}

// limit is one of them.
type limit struct {
	name, remedy string
	left, each   int // in all, and for one vassal
}

// measureCapacity reads the limits while there are no vassals.
func measureCapacity(o *config.Emperor, log *slog.Logger) *room {
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

// descriptorsOf returns how many descriptors the emperor has for each vassal: the pidfd, the
// pipe, the orders, its output, its notifications and its cgroup.
func descriptorsOf(o *config.Emperor) int {
	n := 6
	if !vassalfiles.Wrappers(o.Wrapping).None() {
		n++ // the config socket
	}
	if vassalfiles.HasOnDemand(o.OnDemand) {
		n += 2 // its own socket, and the epoll set that waits for it
	}
	return n
}

// watcher warns when an emperor has too many vassals, until ctx ends.
func (r *room) watcher(e *emperor.Emperor) func(ctx context.Context) {
	return func(ctx context.Context) { r.watch(ctx, e) }
}

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

// check warns about each limit that is too low for the number of vassals. It repeats itself
// when the number has doubled.
func (r *room) check(vassals int) {
	if vassals < 2*r.reported {
		return
	}
	for _, l := range r.limits {
		if n := max(0, l.left) / l.each; vassals > n {
			r.reported = vassals
			r.log.Warn(fmt.Sprintf("no room for %d vassals: %s permits about %d, each needs %d (%s)", vassals, l.name, n, l.each, l.remedy))
		}
	}
}
