package namespaces

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"
)

func TestPathOfAController(t *testing.T) {
	hybrid := "9:name=systemd:/s\n8:cpu,cpuacct:/both\n4:memory:/mem:ory\n0::/unified\n"
	for _, tt := range []struct{ text, controller, want string }{
		{hybrid, "memory", "/mem:ory"},
		{hybrid, "cpuacct", "/both"},
		{hybrid, "", "/unified"},
		{hybrid, "systemd", ""},
		{"0::/only\n", "memory", ""},
		{"", "", ""},
	} {
		if got := controllerPath(tt.text, tt.controller); got != tt.want {
			t.Errorf("%q of %q: %q, want %q", tt.controller, tt.text, got, tt.want)
		}
	}
}

func TestWhereACgroupIsShown(t *testing.T) {
	mounts := "1 2 0:1 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n" +
		"3 2 0:2 /docker/x /sys/fs/cgroup/memory rw shared:3 - cgroup cgroup rw,memory\n" +
		"4 2 0:3 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
		"5 2 0:4 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	for _, tt := range []struct{ controller, path, want string }{
		{"memory", "/docker/x/web", "/sys/fs/cgroup/memory/web"},
		{"memory", "/docker/xy", ""},
		{"memory", "/", ""},
		{"cpu", "/a", "/sys/fs/cgroup/cpu,cpuacct/a"},
		{"", "/a/b", "/sys/fs/cgroup/unified/a/b"},
		{"", "/../a", ""},
		{"pids", "/", ""},
	} {
		if got := shownAt(parsed(t, mounts), tt.controller, tt.path); got != tt.want {
			t.Errorf("%q %q: %q, want %q", tt.controller, tt.path, got, tt.want)
		}
	}
}

// parsed parses lines of a mountinfo.
func parsed(t *testing.T, lines string) []*mountinfo.Info {
	t.Helper()
	mounts, err := mountinfo.GetMountsFromReader(strings.NewReader(lines), nil)
	if err != nil {
		t.Fatal(err)
	}
	return mounts
}

func TestNumbersOfAMemoryCgroup(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("memory.events", "low 0\noom 3\noom_kill 2\noom_group_kill 0\n")
	write("memory.current", "4096\n")
	write("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n")
	write("memory.usage_in_bytes", "8192\n")
	for v1, want := range map[bool][2]int{false: {2, 4096}, true: {7, 8192}} {
		m := MemoryCgroup{Dir: dir, v1: v1}
		kills, ok := m.Kills()
		usage, also := m.Usage()
		if !ok || !also || kills != want[0] || usage != uint64(want[1]) {
			t.Errorf("v1 %v: %d, %v, %d, %v, want %v", v1, kills, ok, usage, also, want)
		}
	}
	if _, ok := (MemoryCgroup{}).Kills(); ok {
		t.Error("none has kills")
	}
	if _, ok := (MemoryCgroup{Dir: dir + "/gone"}).Usage(); ok {
		t.Error("what is gone has a usage")
	}
	if m := MemoryCgroupOf(os.Getpid()); m != (MemoryCgroup{}) {
		t.Errorf("our own is not apart from ours: %+v", m)
	}
}
