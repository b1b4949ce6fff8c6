package emperord

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// TestCgroupsAreMissedOnce: one line names the remedy that this emperor has.
func TestCgroupsAreMissedOnce(t *testing.T) {
	for _, c := range []struct {
		clone   namespaces.Flags
		dropped bool
		want    string // empty: no warning
	}{
		{0, false, "(pid in emperor-use-clone, or a writable cgroup v2)"},
		{0, true, "(Delegate=yes in the unit, or start the emperor as its user)"},
		{namespaces.NewPID, false, ""},
		{namespaces.NewPID, true, "(Delegate=yes in the unit, or start the emperor as its user)"},
	} {
		var b strings.Builder
		warnCgroups(c.clone, c.dropped, errors.New("read-only"), slog.New(slog.NewTextHandler(&b, nil)))
		if lines := strings.Count(b.String(), "\n"); !strings.Contains(b.String(), c.want) || lines != min(1, len(c.want)) {
			t.Errorf("%v, dropped %v:\n%s", c.clone, c.dropped, b.String())
		}
	}
}
