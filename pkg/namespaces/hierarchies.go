package namespaces

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// CgroupDirOf returns the directory of a process's cgroup v2. It returns an empty string when
// the process shares the caller's cgroup, and when no mount here contains its cgroup.
func CgroupDirOf(pid int) string {
	theirs, ours, err := cgroupsOf(pid)
	if err != nil {
		return ""
	}
	return cgroupDir(theirs, ours)
}

// cgroupDir is CgroupDirOf for a process with the cgroups theirs and a caller with ours.
func cgroupDir(theirs, ours string) string {
	path := controllerPath(theirs, "")
	if path == "" || path == controllerPath(ours, "") {
		return ""
	}
	dir := shownAt(hierarchies(), "", path)
	if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); dir == "" || err != nil {
		return ""
	}
	return dir
}

// cgroupsOf returns the cgroups of a process and of the caller (proc_pid_cgroup(5)).
func cgroupsOf(pid int) (theirs, ours string, err error) {
	text, err := readAt(unix.AT_FDCWD, "/proc/"+strconv.Itoa(pid)+"/cgroup", nil)
	if err != nil {
		return "", "", err
	}
	own, err := readAt(unix.AT_FDCWD, "/proc/self/cgroup", nil)
	return string(text), string(own), err
}

// Accounts are the cgroups in which the kernel accounts the usage of a process. The zero value
// is none.
type Accounts struct {
	// Memory is the one of MemoryCgroupOf, and Dir the one of CgroupDirOf.
	Memory MemoryCgroup
	Dir    string
	found  string // all cgroups of the process
}

// AccountsOf returns the accounts of a process. known is an earlier result for it, which is
// returned while the process has not moved.
func AccountsOf(pid int, known Accounts) Accounts {
	theirs, err := readAt(unix.AT_FDCWD, "/proc/"+strconv.Itoa(pid)+"/cgroup", nil)
	if err != nil {
		return Accounts{}
	}
	if string(theirs) == known.found {
		return known
	}
	ours, err := readAt(unix.AT_FDCWD, "/proc/self/cgroup", nil)
	if err != nil {
		return Accounts{}
	}
	a := Accounts{found: string(theirs)}
	a.Memory, a.Dir = memoryCgroup(a.found, string(ours)), cgroupDir(a.found, string(ours))
	return a
}

// CPU returns the processor time of all processes that were ever in the cgroup of Dir. ok is
// false without one, and when it is gone.
func (a Accounts) CPU() (used time.Duration, ok bool) {
	if a.Dir == "" {
		return 0, false
	}
	text, err := readAt(unix.AT_FDCWD, a.Dir+"/cpu.stat", nil)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if value, is := strings.CutPrefix(line, "usage_usec "); is {
			n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			return time.Duration(n) * time.Microsecond, err == nil
		}
	}
	return 0, false
}

// Processes lists the processes in the cgroup of Dir.
func (a Accounts) Processes() (pids []int) {
	text, _ := readAt(unix.AT_FDCWD, a.Dir+"/cgroup.procs", nil)
	for word := range strings.FieldsSeq(string(text)) {
		if pid, err := strconv.Atoi(word); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// hierarchies returns the cgroup mounts that this process sees. It reads them once, because
// they do not change while a machine runs.
var hierarchies = sync.OnceValue(func() []*mountinfo.Info {
	mounts, _ := cgroupMounts()
	return mounts
})

// cgroupMounts reads the cgroup mounts that this process sees now, of v1 and v2.
func cgroupMounts() ([]*mountinfo.Info, error) {
	return mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup", "cgroup2"))
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

// shownAt returns the directory of a cgroup: of a v1 controller, or of v2 for the empty name.
// It is empty when none of the mounts contains the cgroup.
func shownAt(mounts []*mountinfo.Info, controller, path string) string {
	if path == "" || strings.HasPrefix(path, "/..") { // outside this process's cgroup namespace
		return ""
	}
	for _, m := range mounts {
		if controller == "" && m.FSType != "cgroup2" || controller != "" && (m.FSType != "cgroup" || !has(m.VFSOptions, controller)) {
			continue
		}
		if below, ok := strings.CutPrefix(path+"/", strings.TrimSuffix(m.Root, "/")+"/"); ok {
			return filepath.Join(m.Mountpoint, below)
		}
	}
	return ""
}
