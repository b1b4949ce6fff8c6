package webserver

import (
	"net"
	"sync"
	"time"
)

// A program may serve one connection at a time, and an idle connection would keep it from the others. So a
// connection is kept only for a short time, and only while the target answers all requests at once: it
// costs most where the answers cost least.
const (
	// keptIdle is the longest time between two requests, keptAge the longest life of a connection: after a
	// reload the program before it gets requests for no longer than that.
	keptIdle, keptAge = 100 * time.Millisecond, time.Second
	// keptMost is the number of idle connections to one target.
	keptMost = 32
	// keptPause is the time without kept connections after a target was slow.
	keptPause = 10 * time.Second
)

// keptConn is a connection to a target.
type keptConn struct {
	net.Conn
	born, idle time.Time
}

// pool holds the idle connections to a target.
type pool struct {
	mu    sync.Mutex
	idle  []keptConn
	until time.Time // no connection is kept before
	sweep *time.Timer
}

// take returns the connection that was used last. Nil: there is none. Bytes that the target sent after the end
// of its answer must not become the next answer.
func (p *pool) take() *keptConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := len(p.idle) - 1; n >= 0; n-- {
		c := p.idle[n]
		p.idle = p.idle[:n]
		if !unread(c.Conn) {
			return &c
		}
		c.Close()
	}
	return nil
}

// keeps reports whether a connection of that age may serve another request.
func (p *pool) keeps(born time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	return !now.Before(p.until) && now.Sub(born) < keptAge
}

// put keeps a connection, or closes it.
func (p *pool) put(c *keptConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.idle = time.Now()
	if len(p.idle) >= keptMost || c.idle.Before(p.until) {
		c.Close()
		return
	}
	p.idle = append(p.idle, *c)
	if p.sweep == nil {
		p.sweep = time.AfterFunc(keptIdle, p.expire)
	}
}

// expire closes the connections whose time is over.
func (p *pool) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, rest := time.Now(), p.idle[:0]
	for _, c := range p.idle {
		if now.Sub(c.idle) >= keptIdle {
			c.Close()
		} else {
			rest = append(rest, c)
		}
	}
	clear(p.idle[len(rest):])
	p.idle = rest
	if p.sweep = nil; len(rest) > 0 {
		p.sweep = time.AfterFunc(keptIdle, p.expire)
	}
}

// pause closes the idle connections, and keeps none for that time.
func (p *pool) pause(t time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		c.Close()
	}
	clear(p.idle)
	p.idle = p.idle[:0]
	if until := time.Now().Add(t); until.After(p.until) {
		p.until = until
	}
}
