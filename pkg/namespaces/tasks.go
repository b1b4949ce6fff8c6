package namespaces

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// TasksLeft returns how many more processes and threads the cgroups of this process permit
// (pids.max of cgroups(7)), and the file of the tightest limit. limit is empty when there is
// none.
func TasksLeft() (left int, limit string) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return math.MaxInt, ""
	}
	left = math.MaxInt
	for _, controller := range []string{"pids", ""} { // v1 has the controller, or else v2
		path := controllerPath(string(own), controller)
		if path == "" {
			continue
		}
		// A limit of a cgroup also applies to all cgroups below it.
		for dir := shownAt(hierarchies(), controller, path); dir != ""; dir = filepath.Dir(dir) {
			most, err := os.ReadFile(filepath.Join(dir, "pids.max"))
			if err != nil {
				break // the root has none
			}
			now, err := os.ReadFile(filepath.Join(dir, "pids.current"))
			if n := room(string(most), string(now)); err == nil && n < left {
				left, limit = n, filepath.Join(dir, "pids.max")
			}
		}
	}
	return left, limit
}

// room returns the difference between a limit and its use, from the texts of both files.
func room(most, now string) int {
	limit, err := strconv.Atoi(strings.TrimSpace(most))
	used, bad := strconv.Atoi(strings.TrimSpace(now))
	if err != nil || bad != nil { // `max`
		return math.MaxInt
	}
	return max(0, limit-used)
}
