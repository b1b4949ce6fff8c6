package emperord

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestRoomForVassals(t *testing.T) {
	var log bytes.Buffer
	r := &room{
		log:    slog.New(slog.NewTextHandler(&log, nil)),
		limits: []limit{{"RLIMIT_NOFILE", "ulimit -n", 600, 6}, {"pids.max", "TasksMax=", 3000, 11}},
	}
	for _, step := range []struct {
		vassals int
		want    string
	}{
		{1, ""},
		{100, ""},
		{101, "no room for 101 vassals: RLIMIT_NOFILE permits about 100, each needs 6 (ulimit -n)"},
		{150, ""}, // reported already
		{300, "no room for 300 vassals: pids.max permits about 272, each needs 11 (TasksMax=)"},
	} {
		log.Reset()
		if r.check(step.vassals); step.want == "" && log.Len() > 0 || !strings.Contains(log.String(), step.want) {
			t.Errorf("%d vassals: %q, want %q", step.vassals, log.String(), step.want)
		}
	}
	r = &room{log: r.log, limits: []limit{{"RLIMIT_NOFILE", "", -5, 6}}}
	log.Reset()
	if r.check(1); !strings.Contains(log.String(), "permits about 0") {
		t.Errorf("less than nothing: %q", log.String())
	}
}
