package network

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// watcher follows the links of vassals. A link that is made waits here until packets pass, and
// a link of a running vassal that goes is reported.
type watcher struct {
	events *namespaces.LinkWatch
	log    *slog.Logger
	done   chan struct{}
	// others is called for links that are not watched. It must not block.
	others func(namespaces.LinkEvent)

	mu    sync.Mutex
	waits map[namespaces.Index]chan struct{}
	lost  map[namespaces.Index]func(reason string)
}

// newWatcher starts its goroutine.
func newWatcher(others func(namespaces.LinkEvent), log *slog.Logger) (*watcher, error) {
	events, err := namespaces.WatchLinks()
	if err != nil {
		return nil, err
	}
	w := &watcher{
		events: events, log: log, done: make(chan struct{}), others: others,
		waits: map[namespaces.Index]chan struct{}{}, lost: map[namespaces.Index]func(string){},
	}
	go w.run()
	return w, nil
}

// close ends the goroutine.
func (w *watcher) close() {
	w.events.Close()
	<-w.done
}

func (w *watcher) run() {
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
			w.take(e)
		}
	}
}

// take handles one event.
func (w *watcher) take(e namespaces.LinkEvent) {
	w.mu.Lock()
	wake, waited := w.waits[e.Index]
	report, watched := w.lost[e.Index]
	gone := e.Gone || !e.Up
	if gone {
		delete(w.lost, e.Index)
	}
	w.mu.Unlock()
	switch {
	case waited:
		wakeUp(wake)
	case !watched:
		w.others(e)
	case gone: // a link that is deleted is set down first
		report("another program has deleted its link, or has set it down")
	}
}

// recover reads the links after events were lost.
func (w *watcher) recover() {
	w.mu.Lock()
	var watched []namespaces.Index
	for index := range w.lost {
		watched = append(watched, index)
	}
	for _, wake := range w.waits {
		wakeUp(wake)
	}
	w.mu.Unlock()
	n, err := namespaces.OpenNetlink()
	if err != nil {
		w.log.Warn("events of links were lost", "error", err)
		return
	}
	defer n.Close()
	for _, index := range watched {
		switch l, err := n.Link(index); {
		case err == nil && !l.Up, errors.Is(err, errNoLink):
			l.Index = index
			w.take(namespaces.LinkEvent{LinkFacts: l, Gone: err != nil})
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
	w     *watcher
	index namespaces.Index
	wake  chan struct{}
}

func (w *watcher) expect(index namespaces.Index) *arrival {
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

// watch reports once when the link goes or is set down.
func (w *watcher) watch(index namespaces.Index, lost func(reason string)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lost[index] = lost
}

// unwatch ends the watch of a link that is about to be deleted.
func (w *watcher) unwatch(index namespaces.Index) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.lost, index)
}
