package workers

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// Options are the input of Run. Fields are required unless their comments allow zero.
type Options struct {
	// Plan is the first plan.
	Plan *Plan
	// Read reads the options of a reload: from the bytes of an order, or for nil again from the
	// source in effect. It is called outside the loop and may block for ever. prepare makes the
	// plan in the loop, and must not block for long.
	Read func(*wire.Order) (prepare func() (*Plan, error))
	// System starts and ends processes.
	System System
	// Signals and Commands arrive at this process. Commands is closed when the emperor is gone,
	// and nil without an emperor. Orders may be nil.
	Signals  <-chan os.Signal
	Commands <-chan wire.Command
	Orders   <-chan wire.Order
	// Report sends a byte to the emperor, and Answer the result of an order. Serial is the number
	// of the order that has started this process; zero: none.
	Report func(wire.Report)
	Answer func(serial uint64, kind wire.NoticeKind, text string)
	Serial uint64
	// Again: a reload was requested during the boot.
	Again bool
	// Trial: the vassal accepts only after its first workers have lived long enough after their
	// readiness, as in a reload.
	Trial bool
	// ReportDeaths reports the deaths of workers and their recovery to the emperor. Gap reports
	// the time without any worker in a reload.
	ReportDeaths func(wire.Deaths)
	// ReportEnd reports the exit of a program that was asked to stop, unless it was clean.
	ReportEnd func(wire.End)
	Gap       func(time.Duration)
	// Log receives all messages.
	Log *slog.Logger
}

// System is the operating system interface of a master. Only the goroutine of Run, which is the
// main thread, calls its methods. They do not block.
type System interface {
	// Start starts a process. An event reports whether its program runs.
	Start(s Spec, post func(Event)) (pid int, err error)
	// Signal sends a signal to a process that has not been reaped. SignalGroup sends it to the
	// process group that the process leads, if any. Kill kills that group.
	Signal(pid int, s os.Signal)
	SignalGroup(pid int, s os.Signal)
	Kill(pid int)
	// Ask is SignalGroup with a signal that ends a daemon. When a shell leads the group, its death
	// counts from the death of the whole group on.
	Ask(pid int, s os.Signal)
	// Reap collects one dead child of this process, own or adopted. pid is zero when no child is
	// dead.
	Reap() (pid int, status namespaces.ExitStatus)
	// Orphans returns the adopted children of this process. EndOrphan kills one together with its
	// descendants.
	Orphans() []Orphan
	EndOrphan(pid int)
	// Leader returns the process that leads the session of pid.
	Leader(pid int) int
	// Usage returns the resources that a worker and its descendants have used.
	Usage(pid int) namespaces.Usage
	// Notifications makes a socket for sd_notify(3) and returns its address. It posts datagrams
	// with the sender's pid, which the kernel verifies.
	Notifications(post func(Event)) (address string, err error)
	// Probe probes a worker until it answers or ctx ends.
	Probe(ctx context.Context, q Question) error
	// Watch posts the names of changed files and trees, until ctx ends.
	Watch(ctx context.Context, files, trees []string, post func(Event)) error
	// AwaitConnection posts the first connection to the sockets of a plan, unless ctx ends first.
	AwaitConnection(ctx context.Context, p *Plan, post func(Event)) error
}

// base is shared by the parts of a master. Only the goroutine of Run uses it; post and inquire
// are safe from any goroutine.
type base struct {
	system  System
	log     *slog.Logger
	plan    *Plan // in effect
	stopped bool
	lastID  uint64
	events  chan Event
	done    chan struct{} // closed when the loop has ended
}

// nextID returns the number of the next process.
func (b *base) nextID() uint64 {
	b.lastID++
	return b.lastID
}

// post passes an event to the loop. It is safe from any goroutine. After the end of the loop it
// drops events.
func (b *base) post(e Event) {
	select {
	case b.events <- e:
	case <-b.done:
	}
}

// inquire asks the loop for the processes that may answer for a worker, or for id zero the
// daemons.
func (b *base) inquire(ctx context.Context, id uint64) (Members, error) {
	reply := make(chan Members, 1)
	b.post(inquiry{id, reply})
	select {
	case members := <-reply:
		return members, nil
	case <-ctx.Done():
		return Members{}, ctx.Err()
	case <-b.done:
		return Members{}, errStopping
	}
}
