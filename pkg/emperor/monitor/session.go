package monitor

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// session is an fsnotify.Watcher with the goroutine that changes its watches, and another one
// that receives its events.
type session struct {
	notify *fsnotify.Watcher

	mu    sync.Mutex
	queue []func(*fsnotify.Watcher) // to be called, in order
	busy  bool                      // a goroutine works on the queue
	ended bool

	former string // the path that the last event has reported as renamed; of receive
}

func newSession(w *watcher) (*session, error) {
	n, err := fsnotify.NewBufferedWatcher(eventBatch)
	if err != nil {
		return nil, err
	}
	s := &session{notify: n}
	go s.receive(w)
	return s, nil
}

// do calls change with the watcher, after all earlier changes and in a goroutine of the session.
// It does not block. After end it does nothing.
func (s *session) do(change func(*fsnotify.Watcher)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	if s.queue = append(s.queue, change); !s.busy {
		s.busy = true
		go s.work()
	}
}

// work calls the queued changes until there are none.
func (s *session) work() {
	for {
		s.mu.Lock()
		if len(s.queue) == 0 {
			s.busy = false
			s.mu.Unlock()
			return
		}
		change := s.queue[0]
		s.queue = slices.Delete(s.queue, 0, 1)
		s.mu.Unlock()
		change(s.notify)
	}
}

// end closes the watcher, without waiting for a stuck change.
func (s *session) end() {
	s.do(func(n *fsnotify.Watcher) { _ = n.Close() })
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
}

// receive passes on the events of the session as hints until it ends. When the kernel has
// dropped events, everything is read again.
func (s *session) receive(w *watcher) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	<-pause.C
	for {
		batch, open := s.batch(w)
		if !open || !w.send(batch) {
			s.drain()
			return
		}
		pause.Reset(eventPause)
		select {
		case <-pause.C:
		case <-w.ctx.Done():
		}
	}
}

// batch waits for an event, and returns the hints of all events that have arrived. It reports
// whether there can be more.
func (s *session) batch(w *watcher) (hints []hint, open bool) {
	for n := max(1, len(s.notify.Events)); n > 0; n-- { // only this goroutine receives: the others of n are there
		select {
		case e, open := <-s.notify.Events:
			if !open {
				return hints, false
			}
			hints = append(hints, s.hints(w, e)...)
		case err, open := <-s.notify.Errors:
			if !open {
				return hints, false
			}
			if errors.Is(err, fsnotify.ErrEventOverflow) {
				hints = append(hints, hint{})
			}
		}
	}
	return hints, true
}

// hints returns the hints of an event. The kernel reports a rename in one directory as two
// events: the former path, and directly after it the new one.
func (s *session) hints(w *watcher, e fsnotify.Event) []hint {
	hints := w.hints(e)
	for i := range hints {
		hints[i].renamed = e.Has(fsnotify.Create) && s.former != "" && s.former != e.Name
	}
	if s.former = ""; e.Has(fsnotify.Rename) {
		s.former = e.Name
	}
	return hints
}

// drain receives until the watcher is closed, so that its goroutine ends.
func (s *session) drain() {
	for range s.notify.Events {
		continue
	}
}
