package namespaces

import (
	"os"
	"strconv"
	"strings"

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
	theirs, ours, err := cgroupsOf(pid)
	if err != nil {
		return MemoryCgroup{}
	}
	return memoryCgroup(theirs, ours)
}

// memoryCgroup is MemoryCgroupOf for a process with the cgroups theirs and a caller with ours.
func memoryCgroup(theirs, ours string) MemoryCgroup {
	if theirs == ours {
		return MemoryCgroup{}
	}
	for _, c := range []string{"memory", ""} { // v1 has the controller, or else v2
		path := controllerPath(theirs, c)
		if path == "" || path == controllerPath(ours, c) {
			continue
		}
		m := MemoryCgroup{Dir: shownAt(hierarchies(), c, path), v1: c != ""}
		if _, ok := m.Kills(); ok {
			return m
		}
	}
	return MemoryCgroup{}
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
