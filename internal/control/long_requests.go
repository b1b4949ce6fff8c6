package control

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	// maxLongRequests limits the number of clients that follow, and of clients that wait for the
	// result of a verb.
	maxLongRequests = 64
	// maxOfTenants limits requests of clients that do not command the emperor, and maxOfTenant
	// requests of one such user.
	maxOfTenants, maxOfTenant = 48, 8
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

func longRequest(r *http.Request, name string, count *longRequests, full string) (wanted bool, leave func(), err error) {
	if wanted, err = flag(r, name); err != nil || !wanted {
		return false, func() {}, err
	}
	rights := rightsOf(r.Context())
	if most, ok := count.enter(rights); !ok {
		return false, nil, &Error{Message: fmt.Sprintf(full, most), Code: http.StatusTooManyRequests}
	}
	g := connOf(r.Context())
	g.becomes(staying)
	return true, func() {
		g.becomes(asking)
		count.leave(rights)
	}, nil
}

// longRequests counts requests that stay. The zero value has none.
type longRequests struct {
	mu      sync.Mutex
	all     int
	tenants int         // of clients that do not command the emperor
	of      map[int]int // the same by user
}

// enter counts a request, or returns the limit that it would exceed: tenants leave room for the
// operator, and one tenant for others.
func (l *longRequests) enter(c Rights) (most int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= maxLongRequests {
		return maxLongRequests, false
	}
	if c.All < Govern {
		switch {
		case l.tenants >= maxOfTenants:
			return maxOfTenants, false
		case l.of[c.UID] >= maxOfTenant:
			return maxOfTenant, false
		case l.of == nil:
			l.of = map[int]int{}
		}
		l.tenants++
		l.of[c.UID]++
	}
	l.all++
	return 0, true
}

func (l *longRequests) leave(c Rights) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if c.All < Govern {
		l.tenants--
		if l.of[c.UID]--; l.of[c.UID] == 0 {
			delete(l.of, c.UID)
		}
	}
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
