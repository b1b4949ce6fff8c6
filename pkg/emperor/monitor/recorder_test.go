package monitor

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/emperor-go/emperor/internal/termlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder keeps the reports of a running monitor.
type recorder struct {
	sets chan Set
	log  *logBuffer
}

// run starts a monitor and stops it at the end of the test.
func run(t *testing.T, m Monitor) *recorder {
	t.Helper()
	r := &recorder{sets: make(chan Set, 1000)}
	r.log = &logBuffer{}
	log := slog.New(termlog.New(r.log, termlog.Options{}))
	switch m := m.(type) {
	case *Dir:
		m.options.Log = log
	case based:
		m.options.Log = log
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx, func(s Set) { r.sets <- s }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return r
}

// next returns the next report.
func (r *recorder) next(t *testing.T) Set {
	t.Helper()
	select {
	case s := <-r.sets:
		return s
	case <-time.After(10 * time.Second):
		t.Fatal("no report")
		return nil
	}
}

// until waits for a report that equals want, and returns it.
func (r *recorder) until(t *testing.T, want string) Set {
	t.Helper()
	var seen []string
	for deadline := time.After(10 * time.Second); ; {
		select {
		case s := <-r.sets:
			if render(s) == want {
				return s
			}
			seen = append(seen, render(s))
		case <-deadline:
			t.Fatalf("no report %q, but %q", want, seen)
		}
	}
}

// quiet fails if there is a report for a while.
func (r *recorder) quiet(t *testing.T) {
	t.Helper()
	select {
	case s := <-r.sets:
		t.Errorf("unexpected report %q", render(s))
	case <-time.After(nothing):
	}
}

// logs waits for a line of the log that contains want.
func (r *recorder) logs(t *testing.T, want string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !strings.Contains(r.log.String(), want); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the log has no %q:\n%s", want, r.log)
		}
	}
}

func render(s Set) string {
	var words []string
	for _, c := range s {
		what := string(c.Data)
		if c.Err != nil {
			what = "(" + c.Err.Error() + ")"
		}
		words = append(words, c.Name+"="+what)
	}
	return strings.Join(words, " ")
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var discard = slog.New(slog.DiscardHandler)

func newDir(t *testing.T, rescan time.Duration) (*Dir, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "vassals")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	d, err := NewDir(dir, DirOptions{Rescan: rescan, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return d, dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}
