package network

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Watcher follows the links of vassals. A link that is made waits here until packets pass, and
// a link of a running vassal that goes is reported. Its methods may be called by many goroutines.
type Watcher struct {
	events *namespaces.LinkWatch
	log    *slog.Logger
	group  sync.WaitGroup
	// others is called for links that are not watched. It must not block.
	others func(namespaces.LinkEvent)

	mu    sync.Mutex
	waits map[namespaces.Index]chan struct{}
	lost  map[namespaces.Index]*watched
	hints map[namespaces.Index]bool // links that may have changed
	wake  chan struct{}             // there are hints
}

// watched is the link of a running vassal. Events are hints: a change is reported after the kernel's
// state has been read.
type watched struct {
	report func(reason string)
	// examine reads the state. It is called by one goroutine at a time.
	examine func() condition
	reason  string // reported last; empty: the vassal has its network
}

// condition is the state of a watched link.
type condition struct {
	// reason is why packets do not pass, with the remedy. Empty: they do.
	reason string
	// repaired: a change of another program was taken back just now.
	repaired bool
	// final: the link will not come back, and its watch ends.
	final bool
}

// NewWatcher returns a Watcher for links of this network namespace. It runs goroutines until Close.
func NewWatcher(log *slog.Logger) (*Watcher, error) {
	return newWatcher(func(namespaces.LinkEvent) {}, log)
}

func newWatcher(others func(namespaces.LinkEvent), log *slog.Logger) (*Watcher, error) {
	events, err := namespaces.WatchLinks()
	if err != nil {
		return nil, err
	}
	w := &Watcher{
		events: events, log: log, others: others, wake: make(chan struct{}, 1),
		waits: map[namespaces.Index]chan struct{}{}, lost: map[namespaces.Index]*watched{}, hints: map[namespaces.Index]bool{},
	}
	ends := make(chan struct{})
	w.group.Go(func() { defer close(ends); w.run() })
	w.group.Go(func() { w.followHints(ends) })
	return w, nil
}

// Close ends the goroutines. It is called once.
func (w *Watcher) Close() {
	w.events.Close()
	w.group.Wait()
}

func (w *Watcher) run() {
	for {
		events, err := w.events.Next()
		switch {
		case errors.Is(err, namespaces.ErrEventsLost):
			w.recover()
		case errors.Is(err, os.ErrClosed):
			return
		case err != nil:
			w.log.Warn("cannot watch links of vassals any more", "error", err)
			return
		}
		for _, e := range events {
			w.take(e)
		}
	}
}

// take handles one event.
func (w *Watcher) take(e namespaces.LinkEvent) {
	w.mu.Lock()
	wake, waited := w.waits[e.Index]
	_, known := w.lost[e.Index]
	w.mu.Unlock()
	if waited {
		wakeUp(wake)
	}
	if known {
		w.hint(e.Index)
	}
	if !known && !waited {
		w.others(e)
	}
}

// recover handles the loss of events: each link may have changed.
func (w *Watcher) recover() {
	w.mu.Lock()
	for _, wake := range w.waits {
		wakeUp(wake)
	}
	all := slices.Collect(maps.Keys(w.lost))
	w.mu.Unlock()
	w.hint(all...)
	w.others(namespaces.LinkEvent{})
}

// hint has links examined that may have changed.
func (w *Watcher) hint(links ...namespaces.Index) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, index := range links {
		w.hints[index] = true
	}
	wakeUp(w.wake)
}

func (w *Watcher) followHints(ends <-chan struct{}) {
	for {
		select {
		case <-w.wake:
		case <-ends:
			return
		}
		w.mu.Lock()
		hints := slices.Collect(maps.Keys(w.hints))
		clear(w.hints)
		w.mu.Unlock()
		for _, index := range hints {
			w.examine(index)
		}
	}
}

// examine reads the state of a watched link, and reports a change of it.
func (w *Watcher) examine(index namespaces.Index) {
	of := w.watchOf(index)
	if of == nil {
		return
	}
	now := of.examine()
	if w.watchOf(index) != of {
		return // the watch has ended
	}
	if now.final {
		w.Unwatch(index)
	}
	changed := now.reason != of.reason || now.repaired
	of.reason = now.reason
	if changed {
		of.report(now.reason)
	}
}

func (w *Watcher) watchOf(index namespaces.Index) *watched {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost[index]
}

// Watch reports once, from any goroutine, when the link goes or is set down.
func (w *Watcher) Watch(index namespaces.Index, lost func(reason string)) {
	wasUp := false
	w.follow(index, &watched{report: lost, examine: func() condition {
		now, err := readLink(index)
		cut := errors.Is(err, errNoLink) || err == nil && wasUp && !now.Up
		wasUp = now.Up
		if !cut {
			return condition{}
		}
		return condition{reason: "another program has deleted its link, or has set it down", final: true} // a link that is deleted is set down first
	}})
	w.hint(index) // it may be gone already
}

// readLink returns the present state of a link.
func readLink(index namespaces.Index) (l namespaces.LinkFacts, err error) {
	n, err := namespaces.OpenNetlink()
	if err != nil {
		return l, err
	}
	defer n.Close()
	return n.Link(index)
}

// follow watches a link from now on. Changes from before are the caller's to find.
func (w *Watcher) follow(index namespaces.Index, of *watched) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lost[index] = of
}

// Unwatch ends the watch of a link, such as one that is about to be deleted.
func (w *Watcher) Unwatch(index namespaces.Index) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.lost, index)
}

func wakeUp(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// carrierTime is the longest wait for a link to pass packets. It takes the kernel well below a
// millisecond, or longer while many links are made.
const carrierTime = time.Second

// arrival waits for one link. It is made before the link can be up.
type arrival struct {
	w     *Watcher
	index namespaces.Index
	wake  chan struct{}
}

func (w *Watcher) expect(index namespaces.Index) *arrival {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := &arrival{w, index, make(chan struct{}, 1)}
	w.waits[index] = a.wake
	return a
}

// end ends the wait.
func (a *arrival) end() {
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	delete(a.w.waits, a.index)
}

var errNoCarrier = errors.New("no packets pass its link")

// await returns when the operational state of the link is up: before, the first packet is
// dropped and its sender repeats it after a second.
func (a *arrival) await(ctx context.Context, n rtnetlink) error {
	ctx, cancel := context.WithTimeoutCause(ctx, carrierTime, errNoCarrier)
	defer cancel()
	for {
		l, err := n.Link(a.index)
		if err != nil || l.State == namespaces.IfOperUp {
			return err
		}
		select {
		case <-a.wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
