package namespaces

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// MemoryCgroup is a cgroup, v2 or v1, that accounts the memory of processes. The zero value is
// none.
type MemoryCgroup struct {
	// Dir is its directory.
	Dir string
	v1  bool
}

// MemoryCgroupOf returns the memory cgroup of a process. It returns none when that is the
// caller's own too, when no memory controller is enabled, or when no mount here contains it.
func MemoryCgroupOf(pid int) MemoryCgroup {
	theirs, err := readAt(unix.AT_FDCWD, "/proc/"+strconv.Itoa(pid)+"/cgroup", nil)
	if err != nil {
		return MemoryCgroup{}
	}
	ours, err := readAt(unix.AT_FDCWD, "/proc/self/cgroup", nil)
	if err != nil || bytes.Equal(theirs, ours) {
		return MemoryCgroup{}
	}
	for _, c := range []string{"memory", ""} { // v1 has the controller, or else v2
		path := controllerPath(string(theirs), c)
		if path == "" || path == controllerPath(string(ours), c) {
			continue
		}
		m := MemoryCgroup{Dir: shownAt(hierarchies(), c, path), v1: c != ""}
		if _, ok := m.Kills(); ok {
			return m
		}
	}
	return MemoryCgroup{}
}

// hierarchies returns the cgroup mounts that this process sees. It reads them once, because
// they do not change while a machine runs.
var hierarchies = sync.OnceValue(func() []hierarchy {
	text, _ := os.ReadFile("/proc/self/mountinfo")
	return hierarchiesIn(string(text))
})

// hierarchy is a mount of cgroups: of v2, or of controllers of v1, separated by commas.
type hierarchy struct {
	v2          bool
	controllers string
	root, at    string // its top, as /proc/PID/cgroup names it, and where it is mounted
}

// hierarchiesIn returns the cgroup mounts of a mountinfo (proc_pid_mountinfo(5)).
func hierarchiesIn(mountinfo string) (list []hierarchy) {
	for line := range strings.Lines(mountinfo) {
		before, after, _ := strings.Cut(strings.TrimSpace(line), " - ")
		f, fs := strings.Fields(before), strings.Fields(after)
		if len(f) < 5 || len(fs) < 3 || fs[0] != "cgroup" && fs[0] != "cgroup2" {
			continue
		}
		list = append(list, hierarchy{fs[0] == "cgroup2", fs[2], f[3], f[4]})
	}
	return list
}

// controllerPath returns the path in the hierarchy of a v1 controller, or in the v2 hierarchy
// for the empty name, from a /proc/PID/cgroup (cgroups(7)).
func controllerPath(text, controller string) string {
	for line := range strings.Lines(text) {
		_, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		names, path, ok := strings.Cut(rest, ":")
		if ok && (controller == "" && names == "" || controller != "" && has(names, controller)) {
			return path
		}
	}
	return ""
}

// has reports whether a comma-separated list contains a word.
func has(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}

// shownAt returns the directory of a cgroup among mounts, or an empty string when no mount
// contains it.
func shownAt(mounts []hierarchy, controller, path string) string {
	if strings.HasPrefix(path, "/..") { // outside this process's cgroup namespace
		return ""
	}
	for _, m := range mounts {
		if m.v2 != (controller == "") || controller != "" && !has(m.controllers, controller) {
			continue
		}
		if below, ok := strings.CutPrefix(path+"/", strings.TrimSuffix(m.root, "/")+"/"); ok {
			return filepath.Join(m.at, below)
		}
	}
	return ""
}

// Kills returns how many processes in it the kernel has ever killed for lack of memory
// (oom_kill in memory.events of v2 and memory.oom_control of v1). ok is false for the zero
// value, and when the cgroup is gone.
func (m MemoryCgroup) Kills() (n int, ok bool) {
	text, err := m.read("memory.events", "memory.oom_control")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if value, is := strings.CutPrefix(line, "oom_kill "); is {
			n, err := strconv.Atoi(strings.TrimSpace(value))
			return n, err == nil
		}
	}
	return 0, false
}

// Usage returns the memory that is charged to it now, in bytes. ok is false for the zero
// value, and when the cgroup is gone.
func (m MemoryCgroup) Usage() (bytes uint64, ok bool) {
	text, err := m.read("memory.current", "memory.usage_in_bytes")
	if err != nil {
		return 0, false
	}
	bytes, err = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return bytes, err == nil
}

// read reads one of its files, by the names in v2 and v1.
func (m MemoryCgroup) read(v2, v1 string) ([]byte, error) {
	switch {
	case m.Dir == "":
		return nil, os.ErrNotExist
	case m.v1:
		v2 = v1
	}
	return readAt(unix.AT_FDCWD, m.Dir+"/"+v2, nil)
}
