package control

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
)

// The use of a limited cgroup, its limits, and how often they were met.
func TestUsageAgainstLimits(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "vassal_a_ini_1-0123")
	inner := filepath.Join(dir, "inner", "one")
	if err := os.MkdirAll(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"cgroup.controllers": "cpu memory pids\n",
		"pids.current":       "12\n", "pids.max": "300\n", "pids.events": "max 3\n", "memory.max": "134217728\n", "memory.events": "low 0\nhigh 5\nmax 7\noom 1\noom_kill 1\n",
		"cpu.stat": "usage_usec 2500000\nuser_usec 1\nsystem_usec 1\nnr_periods 9\nnr_throttled 4\nthrottled_usec 1500000\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if own := vassalsOwn(inner); own != dir {
		t.Errorf("the cgroup of the vassal is %s", own)
	}
	var u Usage
	u.limits(dir, pairs(filepath.Join(dir, "cpu.stat")))
	want := map[string]uint64{"tasks-max": 3, "memory-max": 7, "memory-high": 5, "cpu-quota": 4}
	if u.Tasks != 12 || u.TasksMax != 300 || u.MemoryMax != 128<<20 || u.Throttled != 1.5 || !maps.Equal(u.LimitHits, want) {
		t.Errorf("%+v", u)
	}
	var free Usage
	free.limits(inner, nil) // no controller
	if free.TasksMax != 0 || free.LimitHits != nil {
		t.Errorf("without controllers: %+v", free)
	}
}
