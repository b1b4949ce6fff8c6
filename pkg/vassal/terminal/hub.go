// Package terminal is both ends of a shared pseudoterminal: the hub, which every
// client sees the same terminal through, and the client. It runs beside the workers
// in a program of its own: nothing here is linked into the master.
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
	// ahead is how many pieces of output a client may be behind, credit how long it
	// may hold up everybody before it has caught up again, and recent how many bytes a new one is shown of what was before.
	ahead  = 256
	credit = 250 * time.Millisecond
	recent = 4 << 10
	// stall is how long one piece may take to be sent.
	stall = 10 * time.Second
	// lastWords is how long the last pieces may take to be sent, at the end.
	lastWords = time.Second
	// maxClients bounds the clients of a time.
	maxClients = 64
)

// full is shown to a client beyond the number.
var full = fmt.Sprintf("%d clients are attached already: detach one of them\r\n", maxClients)

// successor is what clients are shown between two workers.
const successor = "\r\n[the next worker]\r\n"

// Hub connects clients with the terminal of a worker, and with that of the next when
// it ends. What a terminal prints is read, whoever listens: a client that does not
// keep up is let go.
type Hub struct {
	log     io.Writer
	writers sync.WaitGroup // to clients
	readers sync.WaitGroup // of terminals

	mu      sync.Mutex
	clients map[*client]bool
	screens []*screen // the first, which is the oldest, is the one that is shown
	later   bool      // one was shown before
	size    unix.Winsize
	closed  bool
}

// screen is a terminal.
type screen struct {
	pty    *os.File // the master's side
	before []byte   // what was printed last
}

// client is one that watches and types.
type client struct {
	conn io.ReadWriteCloser
	out  chan []byte
	left time.Duration // of its credit
	size unix.Winsize  // zero: it has not said
}

// NewHub makes a hub that passes the output of its terminals on to log as well, which
// must not block.
func NewHub(log io.Writer) *Hub { return &Hub{log: log, clients: map[*client]bool{}} }

// Show adds the master's side of a terminal, which the hub owns and which should not
// block (open(2), O_NONBLOCK). It is shown when those before it have ended. It ends,
// and so does the channel, when nobody has it open any more, or with end.
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

// raise shows the first screen to those who have seen another. The lock is held.
func (h *Hub) raise() {
	if h.later {
		h.spread(append([]byte(successor), h.screens[0].before...))
	}
	h.later = true
}

// remove goes on with the next screen.
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

// read passes on what a terminal prints until it ends.
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

// spread gives a piece to every client. The lock is held.
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

// drop lets a client go. The lock is held.
func (h *Hub) drop(c *client) {
	if h.clients[c] {
		delete(h.clients, c)
		close(c.out)
		h.resize()
	}
}

// Close ends all clients and terminals. What was printed before has then been sent to
// whoever takes it within a second.
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
	timer := time.NewTimer(lastWords)
	defer timer.Stop()
	select {
	case <-sent:
	case <-timer.C:
	}
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

// Attach adds a client, whose connection the hub owns. One beyond 64 is told so and let
// go.
func (h *Hub) Attach(conn net.Conn) {
	c := &client{conn: conn, out: make(chan []byte, ahead)}
	h.mu.Lock()
	if h.closed || len(h.clients) >= maxClients {
		refused := !h.closed
		h.mu.Unlock()
		if refused {
			_ = conn.SetWriteDeadline(time.Now().Add(lastWords))
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
		h.hear(c)
		h.mu.Lock()
		h.drop(c)
		h.mu.Unlock()
	}()
}

// Type writes what somebody types. It blocks while the worker does not read. Where no
// worker is there to read, nothing is typed.
func (h *Hub) Type(keys []byte) {
	h.mu.Lock()
	var to *os.File
	if len(h.screens) > 0 {
		to = h.screens[0].pty
	}
	h.mu.Unlock()
	if to != nil {
		_, _ = to.Write(keys) // its end is noticed by who reads
	}
}

// measure notes how large a client's window is.
func (h *Hub) measure(c *client, size unix.Winsize) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.size = size
	h.resize()
}

// resize gives the terminals the size that every client can show. The lock is held.
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
		return // nobody looks: it stays as it is
	}
	h.size = least
	for _, s := range h.screens {
		h.fit(s)
	}
}

// fit makes a terminal as large as the windows. The lock is held.
func (h *Hub) fit(s *screen) {
	raw, err := s.pty.SyscallConn()
	if err == nil && h.size.Row > 0 {
		_ = raw.Control(func(fd uintptr) { _ = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &h.size) })
	}
}
