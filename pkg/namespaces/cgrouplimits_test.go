package namespaces

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// fakeCgroup makes a directory with files like a cgroup. Written files hold the last
// text that was written.
func fakeCgroup(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLimitsAreWritten(t *testing.T) {
	dir := fakeCgroup(t, map[string]string{"pids.max": "", "memory.max": "", "io.bfq.weight": "default 550"})
	limits := []CgroupLimit{
		{Option: "tasks-max", File: "pids.max", Value: "512", Reset: "max"},
		{Option: "memory-max", File: "memory.max", Value: "67108864", Reset: "max"},
	}
	if err := setLimits(dir, limits); err != nil {
		t.Fatal(err)
	}
	for _, l := range limits {
		if got := text2(filepath.Join(dir, l.File)); got != l.Value {
			t.Errorf("%s holds %q, want %q", l.File, got, l.Value)
		}
	}
	err := setLimits(dir, []CgroupLimit{{Option: "cpu-quota", File: "cpu.max", Value: "50000 100000"}})
	if want := "cpu-quota: this host gives the emperor no cpu controller (Delegate=yes, cgroup v2)"; !errors.Is(err, ErrNoController) || err.Error() != want {
		t.Errorf("without a controller: %v, want %s", err, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "cpu.max")); err == nil {
		t.Error("a file was created")
	}
	err = setLimits(dir, []CgroupLimit{{Option: "cgroup-opt", File: "cpuset.cpus", Value: "0", Free: true}})
	if err == nil || !strings.Contains(err.Error(), "cgroup-opt: the kernel has no file cpuset.cpus for it") {
		t.Error(err)
	}
	// A file that does not take the text, here a longer one that keeps its end.
	err = setLimits(dir, []CgroupLimit{{Option: "io-weight", File: "io.weight", Value: "100"}})
	if want := `io-weight: "100" was written to io.bfq.weight, which holds "100ault 550"`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// A limit that is not in the new list is removed, and one that cannot be set leaves the former
// ones in effect.
func TestLimitsChange(t *testing.T) {
	dir := fakeCgroup(t, map[string]string{"pids.max": "", "memory.max": "        ", "memory.oom.group": ""})
	was := []CgroupLimit{{Option: "tasks-max", File: "pids.max", Value: "512", Reset: "max"}, {Option: "memory-max", File: "memory.oom.group", Value: "1", Reset: "0"}}
	is := []CgroupLimit{{Option: "tasks-max", File: "pids.max", Value: "300", Reset: "max"}}
	if err := setLimits(dir, was); err != nil {
		t.Fatal(err)
	}
	c := &Cgroup{path: dir}
	if err := c.Change(was, is); err != nil {
		t.Fatal(err)
	}
	if tasks, group := text2(filepath.Join(dir, "pids.max")), text2(filepath.Join(dir, "memory.oom.group")); tasks != "300" || group != "0" {
		t.Errorf("pids.max %q, memory.oom.group %q", tasks, group)
	}
	none := []CgroupLimit{{Option: "tasks-max", File: "pids.max", Value: "200", Reset: "max"}, {Option: "cpu-weight", File: "cpu.weight", Value: "1", Reset: "100"}}
	if err := c.Change(is, none); !errors.Is(err, ErrNoController) {
		t.Error(err)
	}
	if tasks := text2(filepath.Join(dir, "pids.max")); tasks != "300" {
		t.Errorf("pids.max %q after a change that failed", tasks)
	}
}

func TestTookEffect(t *testing.T) {
	for _, c := range []struct {
		file, wrote, got string
		want             bool
	}{
		{"pids.max", "512", "512\n", true},
		{"pids.max", "512", "511\n", false},
		{"memory.max", "67108864", "67108864\n", true},
		{"memory.max", "67109000", "67108864\n", true}, // whole pages
		{"memory.max", "67108864", "max\n", false},
		{"memory.max", "67108864", "67112960\n", false},
		{"memory.max", "max", "max\n", true},
		{"cpu.max", "50000 100000", "50000 100000\n", true},
		{"io.max", "8:0 rbps=1048576", "253:0 rbps=1 wbps=max riops=max wiops=max\n8:0 rbps=1048576 wbps=max riops=max wiops=max\n", true},
		{"io.max", "8:0 rbps=1048576", "8:0 rbps=104857 wbps=max riops=max wiops=max\n", false},
		{"io.max", "8:0 rbps=1048576", "", false},
		{"io.max", "8:0 rbps=max", "", true},
		{"io.weight", "20", "default 20\n8:0 300\n", true},
		{"io.weight", "20", "default 100\n", false},
	} {
		if got := tookEffect(c.file, c.wrote, c.got); got != c.want {
			t.Errorf("%s: %q, then %q: %v", c.file, c.wrote, c.got, got)
		}
	}
}

// The processes of a service move into leaves before its controllers are enabled. Processes of
// others stay, and nothing is limited then.
func TestSettle(t *testing.T) {
	own := strconv.Itoa(os.Getpid())
	files := map[string]string{"cgroup.type": "domain", "cgroup.procs": own + "\n", "supervisor/cgroup.procs": "", "cgroup.subtree_control": ""}
	home := fakeCgroup(t, files)
	if err := settle(home); err != nil {
		t.Error(err)
	}
	if got := text2(filepath.Join(home, "supervisor/cgroup.procs")); got != own {
		t.Errorf("moved %q, want %s", got, own)
	}
	if err := enable(home, []string{"cpuset", "memory"}); err == nil || !strings.Contains(err.Error(), "there is no io controller") {
		t.Error(err)
	}
	if got := text2(filepath.Join(home, "cgroup.subtree_control")); got != "+memory" {
		t.Errorf("enabled %q", got)
	}
	files["cgroup.procs"] = own + "\n4194304\n"
	home = fakeCgroup(t, files)
	if err := settle(home); err == nil || !strings.Contains(err.Error(), "other processes are in the emperor's cgroup") {
		t.Error(err)
	}
	if got := text2(filepath.Join(home, "supervisor/cgroup.procs")); got != "" {
		t.Errorf("moved %q beside others", got)
	}
}

// The cgroup of the service is above a leaf for the supervisor, and not above a directory that
// happens to be called so.
func TestHome(t *testing.T) {
	empty := fakeCgroup(t, map[string]string{"cgroup.procs": "", "supervisor/cgroup.procs": ""})
	busy := fakeCgroup(t, map[string]string{"cgroup.procs": "7\n", "supervisor/cgroup.procs": ""})
	for own, want := range map[string]string{
		filepath.Join(empty, "supervisor"): empty, filepath.Join(busy, "supervisor"): filepath.Join(busy, "supervisor"), empty: empty,
	} {
		if got := homeOf(own); got != want {
			t.Errorf("%s: %s, want %s", own, got, want)
		}
	}
}

func TestRootWithoutControllers(t *testing.T) {
	l := CgroupLimit{Option: "memory-max", File: "memory.max", Value: "1"}
	var none *CgroupRoot
	if none.Limits(l) || (&CgroupRoot{}).Limits(l) || !(&CgroupRoot{controllers: []string{"memory"}}).Limits(l) {
		t.Error("a controller is there that is not, or the other way round")
	}
}
