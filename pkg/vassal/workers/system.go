package workers

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// Options are the input of Run. A field is required unless its comment says otherwise.
type Options struct {
	// Plan is the first plan.
	Plan *Plan
	// Read reads the options of a reload: from the bytes of an order or, for nil, from the source of
	// the ones in effect. It is called beside the loop, and may block for ever. prepare makes the
	// plan from them, in the loop, and must not block for long.
	Read func(*wire.Order) (prepare func() (*Plan, error))
	// System starts and ends processes.
	System System
	// Signals and Commands arrive at this process. Commands is closed when the emperor is gone, and
	// nil when there is none. Orders may be nil.
	Signals  <-chan os.Signal
	Commands <-chan wire.Command
	Orders   <-chan wire.Order
	// Report sends a byte to the emperor, and Answer the result of an order. Serial is the number of
	// the order that started this process; zero: none.
	Report func(wire.Report)
	Answer func(serial uint64, kind wire.NoticeKind, text string)
	Serial uint64
	// Again: a reload was requested during the boot.
	Again bool
	// Trial: the vassal accepts only when its first workers have lived long enough after their
	// readiness, as in a reload.
	Trial bool
	// Mourn reports the deaths of workers and their recovery to the emperor, and Gap the time without
	// any worker in a reload.
	Mourn func(wire.Deaths)
	// Parted reports how a program ended that was asked to stop, unless that was a clean end.
	Parted func(wire.End)
	Gap    func(time.Duration)
	// Log gets all messages.
	Log *slog.Logger
}

// System is the operating system below a master. Its methods are called by the goroutine of Run,
// which is the main thread, and do not block.
type System interface {
	// Start starts a process. Whether its program runs is posted.
	Start(s Spec, post func(Event)) (pid int, err error)
	// Signal sends a signal to a process that was not reaped yet, SignalGroup to its process group,
	// if it leads one, and Kill kills that group.
	Signal(pid int, s os.Signal)
	SignalGroup(pid int, s os.Signal)
	Kill(pid int)
	// Reap collects one dead child of this process, adopted ones too; pid is zero when no child is
	// dead.
	Reap() (pid int, status namespaces.ExitStatus)
	// Orphans lists the adopted children of this process, and EndOrphan kills one with all that it has
	// started.
	Orphans() []Orphan
	EndOrphan(pid int)
	// Leader returns the process that leads the session of pid.
	Leader(pid int) int
	// Usage returns the resources that a worker and its descendants have used.
	Usage(pid int) namespaces.Usage
	// Notifications makes a socket for sd_notify(3) and returns its address. Datagrams are posted
	// with the sender's pid, which the kernel guarantees.
	Notifications(post func(Event)) (address string, err error)
	// Probe asks a worker until it answers or ctx ends.
	Probe(ctx context.Context, q Question) error
	// Watch posts the name of each file or tree that changes, until ctx ends.
	Watch(ctx context.Context, files, trees []string, post func(Event)) error
	// AwaitConnection posts the first connection to the sockets of a plan, unless ctx ends before.
	AwaitConnection(ctx context.Context, p *Plan, post func(Event)) error
}

// base is shared by the parts of a master. Only the goroutine of Run uses it, except for post and
// inquire.
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

// post passes an event to the loop. It is safe from any goroutine; events after the end are lost.
func (b *base) post(e Event) {
	select {
	case b.events <- e:
	case <-b.done:
	}
}

// inquire asks the loop for the processes that may answer for a worker, or for zero the daemons.
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
