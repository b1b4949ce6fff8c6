package namespaces

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// HoldChild finds a child of a process by its pid in the child's innermost pid namespace, and
// returns its pid in this namespace. The result is certain as long as a signal can be sent
// through held, a pidfd: the child has not been reaped then. The caller closes held. The
// parent must not be reaped during the call.
func HoldChild(parent, inner int) (pid int, held *os.File, err error) {
	for _, pid := range Children(parent) {
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue
		}
		held := os.NewFile(uintptr(fd), "pidfd")
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err == nil && isChild(string(status), parent, inner) && stillThere(held) == nil {
			return pid, held, nil
		}
		held.Close()
	}
	return 0, nil, os.ErrProcessDone
}

// stillThere returns an error when the process of a pidfd was reaped.
func stillThere(held *os.File) error {
	if err := unix.PidfdSendSignal(int(held.Fd()), 0, nil, 0); err != nil {
		return fmt.Errorf("cannot hold the process: %w", err)
	}
	return nil
}

// isChild reports, from a proc_pid_status(5), whether a process is a child of parent and has
// the pid inner in its own pid namespace.
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
