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
	done   chan struct{}
	// others is called for links that are not watched. It must not block.
	others func(namespaces.LinkEvent)

	mu    sync.Mutex
	waits map[namespaces.Index]chan struct{}
	lost  map[namespaces.Index]*watched
}

// watched is the link of a running vassal.
type watched struct {
	report func(reason string)
	// mend is called in a goroutine of its own when the link is up again after a report. Nil: the report
	// ends the watch.
	mend func()
	up   bool
	cut  bool // it was reported, and is down
}

// take takes an event, and returns the consequences: a report, the end of the watch, and a link to mend.
func (w *watched) take(e namespaces.LinkEvent) (report, ends, mend bool) {
	down := w.up && !e.Up
	report, mend = !w.cut && (e.Gone || down), !e.Gone && w.cut && e.Up
	w.up, w.cut = e.Up, w.cut && !mend || report
	return report, e.Gone || report && w.mend == nil, mend
}

// NewWatcher returns a Watcher for links of this network namespace. It runs a goroutine until Close.
func NewWatcher(log *slog.Logger) (*Watcher, error) {
	return newWatcher(func(namespaces.LinkEvent) {}, log)
}

func newWatcher(others func(namespaces.LinkEvent), log *slog.Logger) (*Watcher, error) {
	events, err := namespaces.WatchLinks()
	if err != nil {
		return nil, err
	}
	w := &Watcher{
		events: events, log: log, done: make(chan struct{}), others: others,
		waits: map[namespaces.Index]chan struct{}{}, lost: map[namespaces.Index]*watched{},
	}
	go w.run()
	return w, nil
}

// Close ends the goroutine. It is called once.
func (w *Watcher) Close() {
	w.events.Close()
	<-w.done
}

func (w *Watcher) run() {
	defer close(w.done)
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
			w.take(w.current(e))
		}
	}
}

// current returns the present state of a link that an event reports as down, when the first report
// ends the watch: an event of its creation may have waited here since before the watch.
func (w *Watcher) current(e namespaces.LinkEvent) namespaces.LinkEvent {
	w.mu.Lock()
	of, known := w.lost[e.Index]
	w.mu.Unlock()
	if !known || of.mend != nil || e.Up || e.Gone {
		return e
	}
	if now, err := w.read(e.Index); err == nil {
		return now
	}
	return e
}

// read returns the present state of a link. A link that is gone is no error.
func (w *Watcher) read(index namespaces.Index) (e namespaces.LinkEvent, err error) {
	n, err := namespaces.OpenNetlink()
	if err != nil {
		return e, err
	}
	defer n.Close()
	return readLink(n, index)
}

func readLink(n *namespaces.Netlink, index namespaces.Index) (namespaces.LinkEvent, error) {
	l, err := n.Link(index)
	if err != nil && !errors.Is(err, errNoLink) {
		return namespaces.LinkEvent{}, err
	}
	l.Index = index
	return namespaces.LinkEvent{LinkFacts: l, Gone: err != nil}, nil
}

// take handles one event.
func (w *Watcher) take(e namespaces.LinkEvent) {
	w.mu.Lock()
	wake, waited := w.waits[e.Index]
	of, known := w.lost[e.Index]
	report, ends, mend := false, false, false
	if known {
		report, ends, mend = of.take(e)
	}
	if ends {
		delete(w.lost, e.Index)
	}
	w.mu.Unlock()
	if waited {
		wakeUp(wake)
	}
	switch {
	case !known && !waited:
		w.others(e)
	case mend:
		go of.mend()
	case report: // a link that is deleted is set down first
		of.report("another program has deleted its link, or has set it down")
	}
}

// recover reads the links after events were lost.
func (w *Watcher) recover() {
	w.mu.Lock()
	all := slices.Collect(maps.Keys(w.lost))
	for _, wake := range w.waits {
		wakeUp(wake)
	}
	w.mu.Unlock()
	w.look(all...)
	w.others(namespaces.LinkEvent{})
}

// look reads links whose events may have been missed.
func (w *Watcher) look(links ...namespaces.Index) {
	n, err := namespaces.OpenNetlink()
	if err != nil {
		w.log.Warn("events of links were lost", "error", err)
		return
	}
	defer n.Close()
	for _, index := range links {
		if e, err := readLink(n, index); err == nil {
			w.take(e)
		}
	}
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

// Watch reports once, from any goroutine, when the link goes or is set down.
func (w *Watcher) Watch(index namespaces.Index, lost func(reason string)) {
	w.follow(index, &watched{report: lost})
}

func (w *Watcher) follow(index namespaces.Index, of *watched) {
	w.mu.Lock()
	w.lost[index] = of
	w.mu.Unlock()
	w.look(index) // it may be gone already
}

// Unwatch ends the watch of a link, such as one that is about to be deleted.
func (w *Watcher) Unwatch(index namespaces.Index) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.lost, index)
}
