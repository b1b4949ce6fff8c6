package config

import (
	"slices"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/internal/dialect"
	"github.com/emperor-go/emperor/internal/uwsginames"
)

// Every option of uWSGI is honoured here, or has a remedy.
func TestEveryOptionOfUWSGIHasARemedy(t *testing.T) {
	for name := range uwsginames.All {
		if remedy := uwsginames.Remedy(name); remedy == "" && whose(name) == "" && !ofReader(name) {
			t.Errorf("%s has no remedy: give it a place in remedies.txt", name)
		}
	}
}

// ofReader reports whether the reader itself acts on a key.
func ofReader(key string) bool {
	r := newReader(Permissions{}, "vassal")
	r.Add(dialect.Entry{Key: key})
	return r.Finish().Entries[0].Handled
}

// Remedies exist only for options that uWSGI has and we do not, once for each.
func TestRemediesAreNeeded(t *testing.T) {
	seen := map[string]bool{}
	for name := range uwsginames.Remedies {
		if seen[name] {
			t.Errorf("%s is there twice", name)
		}
		seen[name] = true
		beginning, more := strings.CutSuffix(name, "*")
		_, known := uwsginames.Lookup(name)
		if more {
			known = slices.ContainsFunc(slices.Collect(uwsginames.All), func(n string) bool { return strings.HasPrefix(n, beginning) })
		}
		if !known {
			t.Errorf("%s is no option of uWSGI's", name)
		}
	}
	for _, name := range slices.Concat(slices.Collect(emperorOptions.names), slices.Collect(vassalOptions.names)) {
		if remedy := uwsginames.Remedy(name); remedy != "" {
			t.Errorf("%s has the remedy %q, and it is an option", name, remedy)
		}
	}
}
