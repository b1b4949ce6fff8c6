package poll

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func newSet(t *testing.T) *Set {
	t.Helper()
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// pipe returns a pipe whose reads do not block.
func pipe(t *testing.T) (read, write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close(); write.Close() })
	return read, write
}

// take reads up to one byte without blocking.
func take(f *os.File) (n int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var b [1]byte
	control := raw.Control(func(fd uintptr) { n, err = unix.Read(int(fd), b[:]) })
	if control != nil {
		return 0, control
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

func TestEveryByteOfManyIsHeard(t *testing.T) {
	const pipes, bytes = 200, 50
	s, all := newSet(t), make(chan int)
	for range pipes {
		read, write := pipe(t)
		got := 0
		s.Watch(read, func() time.Duration {
			n, err := take(read)
			got += max(n, 0)
			if !errors.Is(err, io.EOF) {
				return 0
			}
			all <- got
			return Never
		})
		go func() {
			for range bytes {
				_, _ = write.Write([]byte("x"))
			}
			write.Close()
		}()
	}
	for range pipes {
		if got := <-all; got != bytes {
			t.Errorf("%d bytes, want %d", got, bytes)
		}
	}
	s.Close()
	if left := len(s.watches); left > 0 {
		t.Errorf("%d watches are kept for nothing", left)
	}
}

// A busy descriptor waits for the others.
func TestTurns(t *testing.T) {
	s := newSet(t)
	loud, flood := pipe(t)
	quiet, word := pipe(t)
	if _, err := flood.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	var turns atomic.Int64
	spoken, heard := make(chan bool), make(chan int64)
	s.Watch(loud, func() time.Duration {
		_, _ = take(loud)
		if turns.Add(1) == 1 {
			<-spoken
		}
		return 0
	})
	at := s.Watch(quiet, func() time.Duration {
		_, _ = take(quiet)
		heard <- turns.Load()
		return 0
	})
	_, _ = word.Write([]byte("x"))
	spoken <- true
	if n := <-heard; n > 2 {
		t.Errorf("heard after %d turns of the loud one", n)
	}
	at.Stop()
}

func TestRest(t *testing.T) {
	s, times := newSet(t), make(chan time.Time, 9)
	read, write := pipe(t)
	write.Close() // its end can be read repeatedly
	const rest = 30 * time.Millisecond
	w := s.Watch(read, func() time.Duration {
		select {
		case times <- time.Now():
		default:
		}
		return rest
	})
	first, second := <-times, <-times
	if between := second.Sub(first); between < rest {
		t.Errorf("read after %v, want not before %v", between, rest)
	}
	w.Stop()
	w.Stop() // does no harm
}

// After Stop the function does not run, and the descriptor's number may belong to another
// file.
func TestStop(t *testing.T) {
	s := newSet(t)
	for range 200 {
		read, write := pipe(t)
		var stopped atomic.Bool
		running := make(chan bool, 1)
		w := s.Watch(read, func() time.Duration {
			if stopped.Load() {
				t.Error("runs after Stop")
			}
			select {
			case running <- true:
			default:
			}
			return 0 // without reading: it stays ready
		})
		_, _ = write.Write([]byte("x"))
		<-running
		w.Stop()
		stopped.Store(true)
		read.Close()
		write.Close()
	}
}

func TestWhatIsClosedIsNotWatched(t *testing.T) {
	read, _ := pipe(t)
	read.Close()
	s := newSet(t)
	s.Watch(read, func() time.Duration { t.Error("is read"); return Never }).Stop()
}
