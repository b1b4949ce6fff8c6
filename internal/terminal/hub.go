// Package terminal has both ends of a shared pseudoterminal: the hub, through which every
// client sees the same terminal, and the client. It runs beside the workers in a separate
// program: nothing here is linked into the master.
//
//	worker ------ terminal -- hub --+-- client
//	                           |    +-- client
//	the next one - terminal - -+    +-- the log
package terminal

import (
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// ahead is how many pieces of output a client may lag behind, credit how long it may block
	// all others before it must have caught up, and recent how many bytes of earlier output a
	// new client is shown.
	ahead  = 256
	credit = 250 * time.Millisecond
	recent = 4 << 10
	// stall is the time limit for sending one piece.
	stall = 10 * time.Second
	// endWait is the time limit for sending the last pieces, at the end.
	endWait = time.Second
	// maxClients limits the number of clients.
	maxClients = 64
)

// full is shown to a client beyond the limit.
var full = fmt.Sprintf("%d clients are attached already: detach one of them\r\n", maxClients)

// successor is shown to clients between two workers.
const successor = "\r\n[the next worker]\r\n"

// Hub connects clients with the terminal of a worker, and with the next worker's when that
// ends. It always reads the output of a terminal, and disconnects a client that does not keep
// up.
type Hub struct {
	log     io.Writer
	writers sync.WaitGroup // to clients
	readers sync.WaitGroup // of terminals

	mu      sync.Mutex
	clients map[*client]bool
	screens []*screen // the first, which is the oldest, is shown
	later   bool      // a screen was shown before
	size    unix.Winsize
	closed  bool
}

// screen is a terminal.
type screen struct {
	pty    *os.File // the master's side
	before []byte   // the last output
}

// client is one that watches and types.
type client struct {
	conn io.ReadWriteCloser
	out  chan []byte
	left time.Duration // of its credit
	size unix.Winsize  // zero: unknown
}

// NewHub makes a hub that also writes the output of its terminals to log, which must not
// block.
func NewHub(log io.Writer) *Hub { return &Hub{log: log, clients: map[*client]bool{}} }

// Show adds the master's side of a terminal, which the hub owns and which should not block
// (open(2), O_NONBLOCK). It is shown when the earlier ones have ended. The screen ends when no
// process has the terminal open any more, or by a call of end; ended is closed then.
func (h *Hub) Show(pty *os.File) (ended <-chan struct{}, end func()) {
	s, over := &screen{pty: pty}, make(chan struct{})
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		pty.Close()
		close(over)
		return over, func() {}
	}
	h.screens = append(h.screens, s)
	h.fit(s)
	if len(h.screens) == 1 {
		h.raise()
	}
	h.readers.Go(func() {
		defer close(over)
		h.read(s)
		h.remove(s)
	})
	return over, func() { pty.Close() }
}

// raise shows the first screen to clients that have seen another. The caller holds the lock.
func (h *Hub) raise() {
	if h.later {
		h.spread(append([]byte(successor), h.screens[0].before...))
	}
	h.later = true
}

// remove continues with the next screen.
func (h *Hub) remove(s *screen) {
	s.pty.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	shown := h.screens[0] == s
	h.screens = slices.DeleteFunc(h.screens, func(other *screen) bool { return other == s })
	if shown && len(h.screens) > 0 {
		h.raise()
	}
}

// read passes on the output of a terminal until it ends.
func (h *Hub) read(s *screen) {
	buffer := make([]byte, 4<<10)
	for {
		n, err := s.pty.Read(buffer)
		if n > 0 {
			h.print(s, append([]byte(nil), buffer[:n]...))
			_, _ = h.log.Write(buffer[:n])
		}
		if err != nil {
			return
		}
	}
}

func (h *Hub) print(s *screen, piece []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.before = append(s.before, piece...)
	if len(s.before) > recent {
		s.before = append([]byte(nil), s.before[len(s.before)-recent:]...)
	}
	if h.screens[0] == s {
		h.spread(piece)
	}
}

// spread sends a piece to every client. The caller holds the lock.
func (h *Hub) spread(piece []byte) {
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

// drop disconnects a client. The caller holds the lock.
func (h *Hub) drop(c *client) {
	if h.clients[c] {
		delete(h.clients, c)
		close(c.out)
		h.resize()
	}
}

// Close ends all clients and terminals. Earlier output is sent first, for at most a second.
func (h *Hub) Close() {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return
	}
	h.closed = true
	for c := range h.clients {
		h.drop(c)
	}
	for _, s := range h.screens {
		s.pty.Close()
	}
	h.mu.Unlock()
	h.readers.Wait()
	sent := make(chan struct{})
	go func() { h.writers.Wait(); close(sent) }()
	timer := time.NewTimer(endWait)
	defer timer.Stop()
	select {
	case <-sent:
	case <-timer.C:
	}
}

// Accept serves all clients that connect until the listener is closed.
func (h *Hub) Accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		h.Attach(conn)
	}
}

// Attach adds a client, whose connection the hub owns. A client beyond the limit gets a
// message and is disconnected.
func (h *Hub) Attach(conn net.Conn) {
	c := &client{conn: conn, out: make(chan []byte, ahead)}
	h.mu.Lock()
	if h.closed || len(h.clients) >= maxClients {
		refused := !h.closed
		h.mu.Unlock()
		if refused {
			_ = conn.SetWriteDeadline(time.Now().Add(endWait))
			_, _ = io.WriteString(conn, full)
		}
		conn.Close()
		return
	}
	h.clients[c] = true
	if len(h.screens) > 0 && len(h.screens[0].before) > 0 {
		c.out <- append([]byte(nil), h.screens[0].before...)
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
		h.receive(c)
		h.mu.Lock()
		h.drop(c)
		h.mu.Unlock()
	}()
}

// Type writes a client's input to the terminal. It blocks while the worker does not read.
// Without a worker the input is dropped.
func (h *Hub) Type(keys []byte) {
	h.mu.Lock()
	var to *os.File
	if len(h.screens) > 0 {
		to = h.screens[0].pty
	}
	h.mu.Unlock()
	if to != nil {
		_, _ = to.Write(keys) // the reader notices its end
	}
}

// measure records the window size of a client.
func (h *Hub) measure(c *client, size unix.Winsize) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.size = size
	h.resize()
}

// resize sets the terminals to the largest size that every client can show. The caller holds
// the lock.
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
	if least.Row == 0 {
		return // no client has a size: it stays as it is
	}
	h.size = least
	for _, s := range h.screens {
		h.fit(s)
	}
}

// fit sets the size of one terminal. The caller holds the lock.
func (h *Hub) fit(s *screen) {
	raw, err := s.pty.SyscallConn()
	if err == nil && h.size.Row > 0 {
		_ = raw.Control(func(fd uintptr) { _ = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &h.size) })
	}
}
