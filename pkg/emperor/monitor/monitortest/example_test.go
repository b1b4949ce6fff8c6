package monitortest_test

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor/monitortest"
)

// table is a source of vassals in memory.
type table struct {
	mu   sync.Mutex
	rows map[string]monitor.Config
}

func (s *table) put(_ *testing.T, name, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows[name] = monitor.Config{Name: name, Data: []byte(text)}
}

func (s *table) remove(_ *testing.T, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rows, name)
}

func (s *table) fetch(context.Context) ([]monitor.Config, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.rows)), nil
}

// suite is the test of a monitor of that source.
func suite(t *testing.T) {
	monitortest.Run(t, func(*testing.T) monitortest.Subject {
		s := &table{rows: map[string]monitor.Config{}}
		m := monitor.NewPoll("table", monitor.PollOptions{Fetch: s.fetch, Interval: time.Millisecond, Log: slog.New(slog.DiscardHandler)})
		return monitortest.Subject{Monitor: m, Put: s.put, Remove: s.remove, Untouched: true}
	})
}

// The test of a monitor of your own. Each part of the suite gets a new source.
func ExampleRun() {
	_ = suite // func TestMonitor(t *testing.T)
}

func TestExample(t *testing.T) { suite(t) }
