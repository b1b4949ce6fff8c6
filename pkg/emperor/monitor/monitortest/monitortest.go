// Package monitortest is the conformance suite of monitor.Monitor. Every monitor runs it in a
// test:
//
//	monitortest.Run(t, func(t *testing.T) monitortest.Subject {
//		source := newSource(t)
//		return monitortest.Subject{Monitor: New(source), Put: source.put, Remove: source.remove}
//	})
package monitortest

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// Patience is how long a test waits for a report.
const Patience = 10 * time.Second

// Subject is a monitor with a source that is empty at first, and functions that change the
// source. They are called while the monitor runs.
type Subject struct {
	// Monitor is the monitor under test. Required.
	Monitor monitor.Monitor
	// Put adds a configuration, or replaces it. Required.
	Put func(t *testing.T, name, text string)
	// Remove removes one. Required.
	Remove func(t *testing.T, name string)
	// Break makes reads of the source fail until mend is called. It returns after a read has
	// failed. Nil: that is not tested.
	Break func(t *testing.T) (mend func())
	// Untouched: the same content put again is no change. Otherwise it is another version.
	Untouched bool
}

// Run runs the suite. Each test has a subject of its own.
func Run(t *testing.T, make func(*testing.T) Subject) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Subject){
		"reports an empty source at once":                    empty,
		"reports new, changed and removed vassals":           changes,
		"reports sorted sets that it does not change later":  sorted,
		"reports complete configurations":                    complete,
		"the same content put again":                         again,
		"keeps its last set while its source cannot be read": breaks,
		"ends with its context":                              ends,
		"has a name":                                         named,
	} {
		t.Run(name, func(t *testing.T) { test(t, make(t)) })
	}
}

func empty(t *testing.T, s Subject) { start(t, s).until("") }

func changes(t *testing.T, s Subject) {
	r := start(t, s)
	r.until("")
	s.Put(t, "b.ini", "1")
	r.until("b.ini=1")
	s.Put(t, "a.ini", "2")
	r.until("a.ini=2 b.ini=1")
	s.Put(t, "b.ini", "3")
	r.until("a.ini=2 b.ini=3")
	s.Remove(t, "a.ini")
	r.until("b.ini=3")
}

func sorted(t *testing.T, s Subject) {
	r := start(t, s)
	s.Put(t, "b.ini", "1")
	set := r.until("b.ini=1")
	s.Put(t, "a.ini", "1")
	s.Put(t, "b.ini", "2")
	r.until("a.ini=1 b.ini=2")
	if got := render(set); got != "b.ini=1" {
		t.Errorf("an earlier set became %q", got)
	}
}

func complete(t *testing.T, s Subject) {
	r := start(t, s)
	s.Put(t, "a.ini", "1")
	for _, c := range r.until("a.ini=1") {
		if !filepath.IsAbs(c.Path) || !filepath.IsAbs(c.Dir) {
			t.Errorf("%s: Path %q and Dir %q, want absolute paths", c.Name, c.Path, c.Dir)
		}
		if c.Version == (monitor.Version{}) {
			t.Errorf("%s has no version", c.Name)
		}
	}
}

func again(t *testing.T, s Subject) {
	r := start(t, s)
	s.Put(t, "a.ini", "1")
	first := r.until("a.ini=1")[0].Version
	time.Sleep(5 * time.Millisecond) // the clock of file times is coarse
	s.Put(t, "a.ini", "1")
	if !s.Untouched {
		if r.next()[0].Version == first {
			t.Error("the version is the same")
		}
		return
	}
	s.Put(t, "b.ini", "1") // reported after it
	if r.until("a.ini=1 b.ini=1")[0].Version != first {
		t.Error("the version is another one")
	}
}

func breaks(t *testing.T, s Subject) {
	if s.Break == nil {
		t.Skip("the source of this monitor cannot fail")
	}
	r := start(t, s)
	s.Put(t, "a.ini", "1")
	r.until("a.ini=1")
	mend := s.Break(t)
	s.Put(t, "b.ini", "1")
	mend()
	r.until("a.ini=1 b.ini=1")
	if slices.ContainsFunc(r.seen, func(set string) bool { return !strings.Contains(set, "a.ini=1") }) {
		t.Errorf("reported %q", r.seen)
	}
}

func ends(t *testing.T, s Subject) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Monitor.Run(ctx, func(monitor.Set) {}); err != nil {
		t.Error(err)
	}
}

func named(t *testing.T, s Subject) {
	if s.Monitor.String() == "" {
		t.Error("String returns no name")
	}
}

// recorder keeps the reports of a running monitor.
type recorder struct {
	t    *testing.T
	sets chan monitor.Set
	seen []string // since the last found one
}

// start runs a monitor until the end of the test.
func start(t *testing.T, s Subject) *recorder {
	t.Helper()
	r := &recorder{t: t, sets: make(chan monitor.Set, 1000)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	reporting := make(chan struct{}, 1)
	go func() {
		done <- s.Monitor.Run(ctx, func(set monitor.Set) {
			select {
			case reporting <- struct{}{}:
			default:
				t.Error("two reports at a time")
			}
			if !slices.IsSortedFunc(set, func(a, b monitor.Config) int { return strings.Compare(a.Name, b.Name) }) {
				t.Errorf("not sorted: %q", render(set))
			}
			r.sets <- set
			<-reporting
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return r
}

// next returns the next report.
func (r *recorder) next() monitor.Set {
	r.t.Helper()
	select {
	case s := <-r.sets:
		return s
	case <-time.After(Patience):
		r.t.Fatal("no report")
		return nil
	}
}

// until waits for a report that equals want, and returns it.
func (r *recorder) until(want string) monitor.Set {
	r.t.Helper()
	r.seen = nil
	for deadline := time.After(Patience); ; {
		select {
		case s := <-r.sets:
			if render(s) == want {
				return s
			}
			r.seen = append(r.seen, render(s))
		case <-deadline:
			r.t.Fatalf("no report %q, but %q", want, r.seen)
		}
	}
}

func render(s monitor.Set) string {
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
