// Package terminal is both ends of a shared pseudoterminal: the hub, which every
// client sees the same terminal through, and the client. It runs beside the worker
// in a program of its own: nothing here is linked into the master.
//
//	worker -- terminal -- hub --+-- client
//	                            +-- client
//	                            +-- the log
package terminal

import (
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// ahead is how many pieces of output a client may be behind, credit how long it
	// may hold up everybody before it has caught up again, and recent how many bytes a new one is shown of what was before.
	ahead  = 256
	credit = 250 * time.Millisecond
	recent = 4 << 10
	// stall is how long one piece may take to be sent.
	stall = 10 * time.Second
	// lastWords is how long the last pieces may take to be sent, when nobody prints
	// any more.
	lastWords = time.Second
	// maxClients bounds who watches at a time.
	maxClients = 64
)

// Hub connects a terminal with its clients. What the terminal prints is read,
// whoever listens: a client that does not keep up is let go.
type Hub struct {
	pty     *os.File       // the master's side
	writers sync.WaitGroup // to clients and to the log

	mu      sync.Mutex
	clients map[*client]bool
	before  []byte // what was printed last
	closed  bool
}

// client is one that watches and types.
type client struct {
	conn io.ReadWriteCloser
	out  chan []byte
	left time.Duration // of its credit
	size unix.Winsize  // zero: it has not said
}

// NewHub makes a hub of the master's side of a terminal, which it owns. It should
// not block (open(2), O_NONBLOCK).
func NewHub(pty *os.File) *Hub { return &Hub{pty: pty, clients: map[*client]bool{}} }

// Run passes on what is printed, to log as well unless that is nil, until nobody
// has the terminal open any more, or Close. What was printed before that has then
// been sent to whoever takes it within a second.
func (h *Hub) Run(log io.Writer) {
	defer h.drain()
	defer h.Close()
	var lines chan []byte
	if log != nil {
		lines = make(chan []byte, ahead)
		h.writers.Go(func() {
			for piece := range lines {
				_, _ = log.Write(piece)
			}
		})
		defer close(lines)
	}
	buffer := make([]byte, 4<<10)
	for {
		n, err := h.pty.Read(buffer)
		if n > 0 {
			piece := append([]byte(nil), buffer[:n]...)
			h.spread(piece)
			if lines != nil {
				select {
				case lines <- piece:
				default: // a log that does not keep up loses some
				}
			}
		}
		if err != nil {
			return
		}
	}
}

// drain waits for the writers, within lastWords.
func (h *Hub) drain() {
	sent := make(chan struct{})
	go func() { h.writers.Wait(); close(sent) }()
	timer := time.NewTimer(lastWords)
	defer timer.Stop()
	select {
	case <-sent:
	case <-timer.C:
	}
}

// spread gives a piece to every client.
func (h *Hub) spread(piece []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.before = append(h.before, piece...)
	if len(h.before) > recent {
		h.before = append([]byte(nil), h.before[len(h.before)-recent:]...)
	}
	for c := range h.clients { // one waits for the others, within their credit
		if !c.take(piece) {
			h.drop(c)
		}
	}
}

// take queues a piece for a client, and reports whether it keeps up.
func (c *client) take(piece []byte) bool {
	if len(c.out) == 0 {
		c.left = credit
	}
	select {
	case c.out <- piece:
		return true
	default:
	}
	begin := time.Now()
	timer := time.NewTimer(c.left)
	defer timer.Stop()
	select {
	case c.out <- piece:
		c.left -= time.Since(begin)
		return c.left > 0
	case <-timer.C:
		return false
	}
}

// drop lets a client go. The lock is held.
func (h *Hub) drop(c *client) {
	if h.clients[c] {
		delete(h.clients, c)
		close(c.out)
		h.resize()
	}
}

// Close ends all clients and the terminal.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for c := range h.clients {
		h.drop(c)
	}
	h.pty.Close()
}

// Accept serves whoever connects until the listener is closed.
func (h *Hub) Accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		h.Attach(conn)
	}
}

// Attach adds a client, whose connection the hub owns.
func (h *Hub) Attach(conn net.Conn) {
	c := &client{conn: conn, out: make(chan []byte, ahead)}
	h.mu.Lock()
	if h.closed || len(h.clients) >= maxClients {
		h.mu.Unlock()
		conn.Close()
		return
	}
	h.clients[c] = true
	if len(h.before) > 0 {
		c.out <- append([]byte(nil), h.before...)
	}
	h.writers.Go(func() {
		defer conn.Close()
		for piece := range c.out {
			_ = conn.SetWriteDeadline(time.Now().Add(stall))
			if _, err := conn.Write(piece); err != nil {
				break
			}
		}
	})
	h.mu.Unlock()
	go func() {
		h.hear(c)
		h.mu.Lock()
		h.drop(c)
		h.mu.Unlock()
	}()
}

// Type writes what somebody types. It blocks while the worker does not read.
func (h *Hub) Type(keys []byte) error {
	_, err := h.pty.Write(keys)
	return err
}

// measure notes how large a client's window is.
func (h *Hub) measure(c *client, size unix.Winsize) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.size = size
	h.resize()
}

// resize gives the terminal the size that every client can show. The lock is held.
func (h *Hub) resize() {
	var least unix.Winsize
	for c := range h.clients {
		if c.size.Row == 0 || c.size.Col == 0 {
			continue
		}
		if least.Row == 0 || c.size.Row < least.Row {
			least.Row = c.size.Row
		}
		if least.Col == 0 || c.size.Col < least.Col {
			least.Col = c.size.Col
		}
	}
	if least.Row > 0 && !h.closed {
		raw, err := h.pty.SyscallConn()
		if err == nil {
			_ = raw.Control(func(fd uintptr) { _ = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &least) })
		}
	}
}
