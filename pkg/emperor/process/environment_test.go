package process

import (
	"slices"
	"testing"

	"github.com/emperor-go/emperor/pkg/emperor"
)

// TestHeldBack: a vassal gets the passed variables; variables that its text names are sent
// separately, and all of them when the text is not fully known or hooks of the operator run
// inside.
func TestHeldBack(t *testing.T) {
	s := &Environment{
		Own:    []string{"PATH=/bin", "SECRET=1", "NAMED=2", "UWSGI_VASSAL_X=3", "UWSGI_Y=4", "EMPEROR_Z=5", "LISTEN_FDS=1", "WATCHDOG_PID=1", "NOTIFY_SOCKET=/x", "GOMAXPROCS=2"},
		Passes: func(name string) bool { return name == "PATH" },
	}
	named := emperor.Plan{Facts: emperor.Facts{Reads: emperor.Reads{Names: []string{"NAMED", "PATH", "EMPEROR_Z", "NONE"}}}}
	more := emperor.Plan{Facts: emperor.Facts{Reads: emperor.Reads{More: true}}}
	for name, c := range map[string]struct{ got, want []string }{
		"its own":              {s.ofProgram(), []string{"PATH=/bin", "UWSGI_X=3", "GOMAXPROCS=1", "UWSGI_EMPEROR_FD=3", "EMPEROR_ORDER_FD=4"}},
		"of another program":   {s.ofWrapper(emperor.Plan{}), []string{"PATH=/bin", "UWSGI_X=3", "UWSGI_EMPEROR_FD=3"}},
		"that names one":       {s.ofWrapper(named), []string{"PATH=/bin", "NAMED=2", "UWSGI_X=3", "UWSGI_EMPEROR_FD=3"}},
		"nothing named":        {s.heldBack(emperor.Plan{}, false), nil},
		"one named":            {s.heldBack(named, false), []string{"NAMED=2"}},
		"perhaps more":         {s.heldBack(more, false), []string{"SECRET=1", "NAMED=2", "GOMAXPROCS=2"}},
		"hooks of the emperor": {s.heldBack(named, true), []string{"SECRET=1", "NAMED=2", "GOMAXPROCS=2"}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %q, want %q", name, c.got, c.want)
		}
	}
	s.Passes = nil
	if got := s.heldBack(more, true); len(got) > 0 {
		t.Errorf("all is passed, and held back is %q", got)
	}
	if got := s.ofProgram(); !slices.Contains(got, "EMPEROR_GOMAXPROCS=2") || !slices.Contains(got, "GOMAXPROCS=1") {
		t.Errorf("the operator's GOMAXPROCS: %q", got)
	}
}
