package monitor

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"
)

// Static is a monitor whose set comes from its program: for tests, and for emperors without
// files. Make it with NewStatic.
type Static struct {
	name    string
	changes chan func(map[string]Config)
}

// NewStatic returns a monitor that reports the given configurations until Put or Remove
// changes them.
func NewStatic(name string, configs ...Config) *Static {
	s := &Static{name: name, changes: make(chan func(map[string]Config), 1)}
	s.changes <- func(m map[string]Config) {
		for _, c := range configs {
			m[c.Name] = c
		}
	}
	return s
}

// Text makes a Config from a name and a text, as if it had been written now.
func Text(name, text string) Config {
	return Config{Name: name, Path: "/" + name, Dir: "/", Data: []byte(text), Version: versionOf([]byte(text), time.Now())}
}

// String returns the name given to NewStatic.
func (s *Static) String() string { return s.name }

// Put adds or replaces a configuration. It blocks while the monitor is not running and an
// earlier change waits.
func (s *Static) Put(c Config) { s.changes <- func(m map[string]Config) { m[c.Name] = c } }

// Remove removes a configuration.
func (s *Static) Remove(name string) { s.changes <- func(m map[string]Config) { delete(m, name) } }

// Run implements Monitor.
func (s *Static) Run(ctx context.Context, report func(Set)) error {
	configs := map[string]Config{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case change := <-s.changes:
			change(configs)
			report(sorted(configs))
		}
	}
}

func sorted(m map[string]Config) Set {
	return slices.SortedFunc(maps.Values(m), func(a, b Config) int { return strings.Compare(a.Name, b.Name) })
}
