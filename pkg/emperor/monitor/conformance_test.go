package monitor_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor/monitortest"
)

var discard = slog.New(slog.DiscardHandler)

func TestStaticConforms(t *testing.T) {
	monitortest.Run(t, func(*testing.T) monitortest.Subject {
		s := monitor.NewStatic("test")
		return monitortest.Subject{
			Monitor: s,
			Put:     func(_ *testing.T, name, text string) { s.Put(monitor.Text(name, text)) },
			Remove:  func(_ *testing.T, name string) { s.Remove(name) },
		}
	})
}

func TestDirConforms(t *testing.T) {
	monitortest.Run(t, func(t *testing.T) monitortest.Subject {
		dir := t.TempDir()
		m, err := monitor.NewDir(dir, monitor.DirOptions{Log: discard})
		if err != nil {
			t.Fatal(err)
		}
		return inFiles(m, dir)
	})
}

func TestGlobConforms(t *testing.T) {
	monitortest.Run(t, func(t *testing.T) monitortest.Subject {
		dir := t.TempDir()
		m, err := monitor.NewGlob(filepath.Join(dir, "*.ini"), monitor.DirOptions{Log: discard})
		if err != nil {
			t.Fatal(err)
		}
		return inFiles(shortened{m, dir + "/"}, dir)
	})
}

// inFiles is a monitor of the files in a directory.
func inFiles(m monitor.Monitor, dir string) monitortest.Subject {
	return monitortest.Subject{
		Monitor: m,
		Put: func(t *testing.T, name, text string) {
			temporary := filepath.Join(dir, ".new")
			if err := errors.Join(os.WriteFile(temporary, []byte(text), 0o644), os.Rename(temporary, filepath.Join(dir, name))); err != nil {
				t.Fatal(err)
			}
		},
		Remove: func(t *testing.T, name string) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// shortened is a monitor whose names begin with a directory.
type shortened struct {
	monitor.Monitor
	dir string
}

func (m shortened) Run(ctx context.Context, report func(monitor.Set)) error {
	return m.Monitor.Run(ctx, func(s monitor.Set) {
		short := slices.Clone(s)
		for i := range short {
			short[i].Name = strings.TrimPrefix(short[i].Name, m.dir)
		}
		report(short)
	})
}

// source is polled.
type source struct {
	mu      sync.Mutex
	texts   map[string]string
	err     error
	fetched chan error // each result, if a test waits
}

func (s *source) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *source) fetch(context.Context) (list []monitor.Config, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.texts)) {
		list = append([]monitor.Config{{Name: name, Data: []byte(s.texts[name])}}, list...) // not sorted
	}
	select {
	case s.fetched <- s.err:
	default:
	}
	return list, s.err
}

// down makes the source fail, and returns after a failure.
func (s *source) down(t *testing.T) (mend func()) {
	s.change(func() { s.err = errors.New("connection refused") })
	for deadline := time.After(monitortest.Patience); ; {
		select {
		case err := <-s.fetched:
			if err != nil {
				return func() { s.change(func() { s.err = nil }) }
			}
		case <-deadline:
			t.Fatal("the source is not read")
		}
	}
}

func TestPollConforms(t *testing.T) {
	monitortest.Run(t, func(*testing.T) monitortest.Subject {
		s := &source{texts: map[string]string{}, fetched: make(chan error)}
		return monitortest.Subject{
			Monitor:   monitor.NewPoll("test", monitor.PollOptions{Fetch: s.fetch, Interval: time.Millisecond, Log: discard}),
			Put:       func(_ *testing.T, name, text string) { s.change(func() { s.texts[name] = text }) },
			Remove:    func(_ *testing.T, name string) { s.change(func() { delete(s.texts, name) }) },
			Break:     s.down,
			Untouched: true,
		}
	})
}
