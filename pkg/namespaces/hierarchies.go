package namespaces

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/moby/sys/mountinfo"
)

// CgroupDirOf returns the directory of a process's cgroup v2. It returns an empty string when
// the process shares the caller's cgroup, and when no mount here contains its cgroup.
func CgroupDirOf(pid int) string {
	theirs, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	ours, _ := os.ReadFile("/proc/self/cgroup")
	path := controllerPath(string(theirs), "")
	if path == "" || path == controllerPath(string(ours), "") {
		return ""
	}
	dir := shownAt(hierarchies(), "", path)
	if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); dir == "" || err != nil {
		return ""
	}
	return dir
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
