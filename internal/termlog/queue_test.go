package termlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// gate is a destination that blocks until it is opened, and has a limited room.
type gate struct {
	open chan struct{}

	mu     sync.Mutex
	room   int
	writes []string
	closed bool
}

func newGate(open bool) *gate {
	g := &gate{open: make(chan struct{}), room: 1 << 30}
	if open {
		close(g.open)
	}
	return g
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(p), g.room)
	g.room -= n
	g.writes = append(g.writes, string(p[:n]))
	if n < len(p) {
		return n, errors.New("no space left on device")
	}
	return n, nil
}

func (g *gate) Close() error { g.mu.Lock(); defer g.mu.Unlock(); g.closed = true; return nil }

func (g *gate) setRoom(n int) { g.mu.Lock(); defer g.mu.Unlock(); g.room = n }

func (g *gate) text() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.writes, "")
}

func note(lost int) []byte { return fmt.Appendf(nil, "%d lost\n", lost) }

// print writes lines to a queue, and lets its goroutine run.
func print(q *Queue, lines ...string) {
	for _, l := range lines {
		_, _ = q.Write([]byte(l))
	}
	synctest.Wait()
}

func TestQueueDropsAndCounts(t *testing.T) {
	for name, tt := range map[string]struct {
		lines []string
		want  string
	}{
		"all fits":          {[]string{"b\n", "c\n"}, "a\nb\nc\n"},
		"the rest does not": {[]string{"0123456789012345\n", "c\n", "d\n"}, "a\n0123456789012345\n2 lost\n"},
		"a gap is one":      {[]string{"01234567890123456789\n", "c\n"}, "a\n2 lost\n"},
		"Writes of lines":   {[]string{"b\n", "0123456789\n0123456789\n"}, "a\nb\n2 lost\n"},
		"a line torn":       {[]string{"b", "01234567890123456789"}, "a\nb\n1 lost\n"},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := newGate(false)
			q := NewQueue(g, 20, note)
			print(q, "a\n") // the destination blocks
			print(q, tt.lines...)
			close(g.open)
			synctest.Wait()
			print(q, "after\n")
			if got := g.text(); got != tt.want+"after\n" {
				t.Errorf("%s: got %q, want %q", name, got, tt.want)
			}
			if q.bytes != 0 || q.blocks != nil || q.idle != nil {
				t.Errorf("%s: an empty queue keeps %+v", name, q)
			}
		})
	}
}

func TestQueueTellsOfWhatAFullDiskTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(true)
		q := NewQueue(g, 1000, note)
		g.setRoom(0)
		print(q, "a\n")
		print(q, "b\n")
		g.setRoom(3) // too little for a line with its newline
		print(q, "c\n")
		g.setRoom(1000)
		print(q, "d\n")
		g.setRoom(2)
		print(q, "cut\n", "e\n")
		g.setRoom(1000)
		print(q, "f\n")
		if got, want := g.text(), "2 l\n3 lost\nd\ncu\n2 lost\nf\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// A Write holds as many whole lines as fit into one write to a pipe, or one longer line.
func TestQueueWritesWholeLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(false)
		q := NewQueue(g, 1<<20, note)
		long := strings.Repeat("x", 2*blockSize) + "\n"
		var want strings.Builder
		for i := range 300 {
			line := fmt.Sprintf("line %d %s\n", i, strings.Repeat("y", i))
			if i == 100 {
				line = long
			}
			want.WriteString(line)
			print(q, line)
		}
		close(g.open)
		synctest.Wait()
		if g.text() != want.String() {
			t.Error("what was written is not what was printed")
		}
		if len(g.writes) > want.Len()/(blockSize/2)+3 {
			t.Errorf("%d writes for %d bytes", len(g.writes), want.Len())
		}
		for _, w := range g.writes {
			if !strings.HasSuffix(w, "\n") || len(w) > blockSize && w != long {
				t.Errorf("a write has %d bytes and ends in %q", len(w), w[len(w)-1:])
			}
		}
	})
}

func TestQueueEndsThoughNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(false)
		q := NewQueue(g, 1000, note)
		q.Write([]byte("a\n"))
		for name, end := range map[string]func(time.Duration){"Flush": q.Flush, "Close": func(wait time.Duration) { q.Close(wait) }} {
			start := time.Now()
			end(3 * time.Second)
			if took := time.Since(start); took != 3*time.Second {
				t.Errorf("%s took %v", name, took)
			}
		}
		q.Write([]byte("too late\n"))
		if g.closed {
			t.Error("the destination is closed before its time")
		}
		close(g.open)
		synctest.Wait()
		if got := g.text(); got != "a\n" || !g.closed {
			t.Errorf("got %q, closed %v", got, g.closed)
		}
	})
}

func TestQueueIsFlushed(t *testing.T) {
	g := newGate(true)
	q := NewQueue(g, 1000, note)
	q.Flush(time.Hour) // the queue is empty
	for i := range 100 {
		want := g.text() + fmt.Sprintln(i)
		fmt.Fprintln(q, i)
		q.Flush(time.Hour)
		if got := g.text(); got != want {
			t.Fatalf("after Flush: %q", got)
		}
	}
	q.Close(time.Hour)
	q.Close(time.Hour)
	if !g.closed {
		t.Error("the destination is open")
	}
}

func TestQueueIsCrowdedWhenHalfFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(false)
		q := NewQueue(g, 30, note)
		var crowded []bool
		for range 3 {
			print(q, "0123456789")
			crowded = append(crowded, q.Crowded())
		}
		close(g.open)
		synctest.Wait()
		if crowded = append(crowded, q.Crowded()); !slices.Equal(crowded, []bool{false, true, true, false}) {
			t.Errorf("after each line, and at the end: %v", crowded)
		}
	})
}

// Another process may make the shared pipe non-blocking. A line then waits as before, and is
// not lost.
func TestQueueWaitsForAPipeThatDoesNotBlock(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	fd, err := unix.Dup(int(write.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	q := LogQueue(os.NewFile(uintptr(fd), "log"), 1<<20, nil)
	if err := unix.SetNonblock(int(write.Fd()), true); err != nil {
		t.Fatal(err)
	}
	line := []byte(strings.Repeat("x", 999) + "\n")
	var want bytes.Buffer
	for range 500 { // more than a pipe holds
		want.Write(line)
		q.Write(line)
	}
	got := make([]byte, want.Len())
	for n := 0; n < len(got); {
		m, err := read.Read(got[n:])
		if n += m; err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("what was read is not what was printed")
	}
	q.Flush(time.Hour)
}

// Our programs leave most of a large, unread pipe to other programs.
func TestOwnLeavesRoomInALargePipe(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	size, err := unix.FcntlInt(write.Fd(), unix.F_SETPIPE_SZ, 1<<20)
	if err != nil {
		t.Skipf("the kernel grants no large pipe: %v", err)
	}
	own, others := []byte(strings.Repeat("x", 999)+"\n"), []byte("from another program\n")
	q := NewQueue(newModest(write), ownPending, note)
	for waits := 0; waits < 100; { // first as fast as possible
		q.Write(own)
		if !q.Crowded() {
			waits = 0
			continue
		}
		waits++
		time.Sleep(time.Millisecond)
	}
	if taken, err := unix.IoctlGetInt(int(read.Fd()), unix.TIOCINQ); err != nil || taken > size/4+blockSize || taken < size/8 {
		t.Errorf("%d bytes are taken of %d, %v", taken, size, err)
	}
	if err := unix.SetNonblock(int(write.Fd()), true); err != nil {
		t.Fatal(err)
	}
	for room := size / 2; room > 0; room -= len(others) {
		if _, err := unix.Write(int(write.Fd()), others); err != nil {
			t.Fatalf("%v with half of the pipe left but %d bytes", err, room)
		}
	}
	q.Flush(time.Millisecond) // without success
	text := &strings.Builder{}
	for buffer := make([]byte, 1<<16); !strings.Contains(text.String(), " lost\n"); {
		n, err := read.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(buffer[:n])
	}
	read.Close()
	q.Write(own)
	q.Flush(time.Hour)
	if q.owed != 1 {
		t.Errorf("%d lines were lost without a reader, want 1", q.owed)
	}
}

func BenchmarkQueue(b *testing.B) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	line := []byte(strings.Repeat("x", 149) + "\n")
	for name, w := range map[string]interface {
		Write([]byte) (int, error)
	}{"queue": NewQueue(null, 64<<10, note), "file": null} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = w.Write(line)
			}
		})
	}
}

// Our programs report lost lines in the form of their log.
func TestOwnTellsOfLostLines(t *testing.T) {
	for marks, want := range map[string]string{"": "WARN  lines of the log were lost: they could not be written in time lines=7\n", "1": "<4v>lines of the log were lost: they could not be written in time lines=7\n"} {
		t.Setenv(MarksEnv, marks)
		var log bytes.Buffer
		slog.New(New(&log, Options{Marks: marked(), Own: marked()})).Warn(lostLines, "lines", 7)
		if text := strings.ReplaceAll(log.String(), Separator, ""); text != want {
			t.Errorf("the log says %q, want %q", text, want)
		}
		if got := string(Own().note(7)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A burst of lines uses the memory of the one before: a server that logs each request must not collect garbage for
// its log.
func TestQueueUsesMemoryAgain(t *testing.T) {
	q := NewQueue(io.Discard, 1<<20, note)
	line := []byte(strings.Repeat("x", 199) + "\n")
	var before, after runtime.MemStats
	const bursts, burst = 1000, 16
	runtime.ReadMemStats(&before)
	for range bursts {
		for range burst {
			_, _ = q.Write(line)
		}
		q.Flush(time.Minute)
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / bursts / burst; each > 300 {
		t.Errorf("%d bytes for each line", each)
	}
}
