package control

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxLongRequests limits the number of clients that follow, and of clients that wait for the
	// result of a verb.
	maxLongRequests = 64
	// alive is the interval of signs of life while a request is in progress.
	alive = 2 * time.Second
)

// follows reports whether a client wants to follow, and counts it among the followers until
// leave is called. The error is an Error, also when there are too many.
func (s *Server) follows(r *http.Request) (follow bool, leave func(), err error) {
	return longRequest(r, "follow", &s.followers, "%d clients follow already: end one of them, or ask without following")
}

// waits does the same for a client that wants to wait.
func (s *Server) waits(r *http.Request) (wait bool, leave func(), err error) {
	return longRequest(r, "wait", &s.waiters, "%d clients wait already: ask without waiting, or try again when one of them has its answer")
}

func longRequest(r *http.Request, name string, count *atomic.Int32, full string) (wanted bool, leave func(), err error) {
	if wanted, err = flag(r, name); err != nil || !wanted {
		return false, func() {}, err
	}
	if count.Add(1) > maxLongRequests {
		count.Add(-1)
		return false, nil, &Error{Message: fmt.Sprintf(full, maxLongRequests), Code: http.StatusTooManyRequests}
	}
	g := connOf(r.Context())
	g.becomes(staying)
	return true, func() {
		g.becomes(asking)
		count.Add(-1)
	}, nil
}

// signs repeatedly sends a client that speaks HTTP/1.1 a sign of life, 102 Processing (RFC
// 2518). stop returns when no sign is being sent any more.
func signs(w http.ResponseWriter, r *http.Request) (stop func()) {
	if !r.ProtoAtLeast(1, 1) { // it would read the sign as the answer
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(alive)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				deadline(w)
				w.WriteHeader(http.StatusProcessing)
			}
		}
	}()
	return sync.OnceFunc(func() { close(done); <-ended })
}
