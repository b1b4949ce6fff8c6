package namespaces

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// HoldChild finds a child of a process, given by its pid in the innermost pid namespace
// that it is in, and returns its pid here. What was learned by that is the child's as
// long as a signal can be sent through held, a pidfd, afterwards: until the child is
// reaped. The caller closes it. The parent must not be reaped meanwhile.
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

// stillThere reports an error when the process of a pidfd was reaped.
func stillThere(held *os.File) error {
	if err := unix.PidfdSendSignal(int(held.Fd()), 0, nil, 0); err != nil {
		return fmt.Errorf("cannot hold the process: %w", err)
	}
	return nil
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
