package terminal

import (
	"bytes"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/ptmx"
)

// patience is how long an immediate effect may take.
const patience = 10 * time.Second

// stage returns a hub with the worker's side of its terminal, which passes bytes unchanged.
func stage(t *testing.T) (*Hub, *os.File) {
	t.Helper()
	h := NewHub(io.Discard)
	t.Cleanup(h.Close)
	return h, worker(t, h)
}

// worker shows another terminal and returns the worker's side of it.
func worker(t *testing.T, h *Hub) *os.File {
	t.Helper()
	master, slave, err := ptmx.Open()
	if err != nil {
		t.Fatal(err)
	}
	termios, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	termios.Lflag &^= unix.ECHO | unix.ICANON | unix.ISIG
	termios.Oflag &^= unix.OPOST
	if err := unix.IoctlSetTermios(int(slave.Fd()), unix.TCSETS, termios); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	h.Show(master)
	return slave
}

// connect attaches a client by a real socket and returns its end.
func connect(t *testing.T, h *Hub) net.Conn {
	t.Helper()
	l, err := net.Listen("unix", "")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ours, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	h.Attach(theirs)
	t.Cleanup(func() { ours.Close() })
	return ours
}

// expect reads until the text has come.
func expect(t *testing.T, from io.Reader, text string) {
	t.Helper()
	if c, ok := from.(net.Conn); ok {
		_ = c.SetReadDeadline(time.Now().Add(patience))
	}
	var seen []byte
	for buffer := make([]byte, 1<<12); !bytes.Contains(seen, []byte(text)); {
		n, err := from.Read(buffer)
		if seen = append(seen, buffer[:n]...); err != nil {
			t.Fatalf("waiting for %q: %v; there was %q", text, err, seen)
		}
	}
}

func send(t *testing.T, to io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(to, text); err != nil {
		t.Fatal(err)
	}
}

func TestEveryClientSeesTheSameTerminal(t *testing.T) {
	h, worker := stage(t)
	send(t, worker, "before any client. ")
	first, second := connect(t, h), connect(t, h)
	send(t, worker, "hello")
	for _, c := range []net.Conn{first, second} {
		expect(t, c, "hello")
	}
	send(t, first, "raw keys") // of a client that knows no frames
	expect(t, worker, "raw keys")
	send(t, second, greeting+string(frame(frameKeys, []byte("framed\x00keys"))))
	expect(t, worker, "framed\x00keys")
	first.Close()
	send(t, worker, "still there")
	expect(t, second, "still there")
	late := connect(t, h)
	expect(t, late, "before any client. hello")
}

func TestWindowHasTheSizeOfTheSmallestClient(t *testing.T) {
	h, worker := stage(t)
	size := func(rows, columns uint16) {
		t.Helper()
		for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			w, err := unix.IoctlGetWinsize(int(worker.Fd()), unix.TIOCGWINSZ)
			if err != nil {
				t.Fatal(err)
			}
			if w.Row == rows && w.Col == columns {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d rows and %d columns, want %d and %d", w.Row, w.Col, rows, columns)
			}
		}
	}
	wide, tall := connect(t, h), connect(t, h)
	send(t, wide, greeting+string(sizeFrame(20, 200)))
	size(20, 200)
	send(t, tall, greeting+string(sizeFrame(60, 80)))
	size(20, 80)
	send(t, wide, string(sizeFrame(30, 200)))
	size(30, 80)
	wide.Close()
	size(60, 80)
}

// A client stays when a worker is replaced: it sees the old worker's output to its end, then
// the next worker's, and the window keeps its size.
func TestTheNextWorker(t *testing.T) {
	h, first := stage(t)
	c := connect(t, h)
	send(t, c, greeting+string(sizeFrame(33, 44)))
	send(t, first, "the first")
	expect(t, c, "the first")
	second := worker(t, h)
	send(t, second, "the second")
	send(t, c, string(frame(frameKeys, []byte("keys"))))
	expect(t, first, "keys")
	send(t, first, " is going")
	expect(t, c, " is going")
	first.Close()
	expect(t, c, successor+"the second")
	send(t, c, string(frame(frameKeys, []byte("more keys"))))
	expect(t, second, "more keys")
	if w, err := unix.IoctlGetWinsize(int(second.Fd()), unix.TIOCGWINSZ); err != nil || w.Row != 33 || w.Col != 44 {
		t.Errorf("the window is %+v, %v", w, err)
	}
	third := worker(t, h) // that does not become ready
	third.Close()
	send(t, second, " goes on")
	expect(t, c, " goes on")
	second.Close()
	send(t, c, string(frame(frameKeys, []byte("to no client"))))
	fourth := worker(t, h)
	send(t, fourth, "the fourth")
	expect(t, c, successor+"the fourth")
}

// The last output is logged, and the end is reported.
func TestLastWords(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	h := NewHub(write)
	master, slave, err := ptmx.Open()
	if err != nil {
		t.Fatal(err)
	}
	ended, _ := h.Show(master)
	send(t, slave, "last words")
	slave.Close()
	<-ended
	h.Close()
	h.Close()
	expect(t, read, "last words")
	late, end := h.Show(read)
	end()
	<-late
}

// A client that does not read loses the terminal, and does not delay the worker.
func TestClientThatStallsBlocksNobody(t *testing.T) {
	h, worker := stage(t)
	stalls, reads := connect(t, h), connect(t, h)
	seen := make(chan int64, 1)
	go func() {
		n, _ := io.CopyN(io.Discard, reads, 16<<20)
		seen <- n
	}()
	line := strings.Repeat("x", 1<<10)
	begin := time.Now()
	for range 16 << 10 { // more than all buffers on the way to a client hold
		send(t, worker, line)
	}
	if took := time.Since(begin); took > patience {
		t.Errorf("the worker took %v", took)
	}
	select {
	case n := <-seen:
		if n != 16<<20 {
			t.Errorf("the client that reads has seen %d bytes", n)
		}
	case <-time.After(patience):
		t.Error("the client that reads waits")
	}
	_ = stalls.SetReadDeadline(time.Now().Add(2 * stall))
	if n, err := io.Copy(io.Discard, stalls); err != nil || n >= 16<<20 {
		t.Errorf("the client that stalls has seen %d bytes and %v, want an end", n, err)
	}
}

// A client beyond the limit gets the reason why it cannot attach.
func TestTooManyClients(t *testing.T) {
	h, _ := stage(t)
	for range maxClients {
		connect(t, h)
	}
	theirs, ours := net.Pipe()
	go h.Attach(ours)
	text, err := io.ReadAll(theirs)
	if err != nil || string(text) != "64 clients are attached already: detach one of them\r\n" {
		t.Errorf("one more gets %q, %v", text, err)
	}
}

func TestGarbageFromAClientEndsOnlyIt(t *testing.T) {
	h, worker := stage(t)
	bad, good := connect(t, h), connect(t, h)
	send(t, bad, greeting+"s\x00\x01xk\x00\x02ok?\xff\xffshort")
	expect(t, worker, "ok")
	bad.Close()
	send(t, good, "fine")
	expect(t, worker, "fine")
}

func TestFrames(t *testing.T) {
	if got := string(sizeFrame(24, 300)); got != "s\x00\x04\x00\x18\x01\x2c" {
		t.Errorf("a size is %q", got)
	}
	if strings.Contains(greeting[1:], "\x00") {
		t.Error("the greeting has a second NUL")
	}
}
