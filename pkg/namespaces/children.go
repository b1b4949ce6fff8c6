package namespaces

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// ChildEnviron is the environment that a child of a process was executed with, as in
// proc_pid_environ(5). The child is given by its pid in the innermost pid namespace that
// it is in. The process must not be reaped meanwhile; that the child may be is no
// danger: what is read is its, or nothing.
func ChildEnviron(parent, inner int) ([]byte, error) {
	for _, pid := range Children(parent) {
		// By the directory, which never shows another process, whoever gets the pid.
		dir, err := os.OpenRoot(fmt.Sprintf("/proc/%d", pid))
		if err != nil {
			continue
		}
		status, err := dir.ReadFile("status")
		if err != nil || !isChild(string(status), parent, inner) {
			dir.Close()
			continue
		}
		text, err := dir.ReadFile("environ")
		dir.Close()
		return text, err
	}
	return nil, os.ErrProcessDone
}

// isChild tells by a proc_pid_status(5) whether a process is a child of another and has
// that pid in its own pid namespace.
func isChild(status string, parent, inner int) bool {
	var found [2]bool
	for line := range strings.Lines(status) {
		key, value, _ := strings.Cut(line, ":")
		pids := strings.Fields(value)
		switch key {
		case "PPid":
			found[0] = slices.Equal(pids, []string{strconv.Itoa(parent)})
		case "NSpid":
			found[1] = len(pids) > 0 && pids[len(pids)-1] == strconv.Itoa(inner)
		}
	}
	return found[0] && found[1]
}
