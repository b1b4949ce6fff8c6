package namespaces

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Terminate asks the process to end, by a signal. The kernel drops a signal that has its
// default action for the first process of a pid namespace (pid_namespaces(7)): a program there
// that does not handle the signal would never end, so Terminate kills it.
func (p *Process) Terminate(s syscall.Signal) error {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID))
	if err == nil && deaf(string(status), s) {
		return p.Signal(syscall.SIGKILL)
	}
	return p.Signal(s)
}

// InnerPID is the pid of a process in the innermost pid namespace that it is in; zero: it
// cannot be read.
func InnerPID(pid int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if field, value, _ := strings.Cut(line, ":"); field == "NSpid" {
			pids := append([]string{"0"}, strings.Fields(value)...)
			inner, _ := strconv.Atoi(pids[len(pids)-1])
			return inner
		}
	}
	return 0
}

// deaf reports, from a proc_pid_status(5), whether a process is the first of its pid namespace
// and neither handles, ignores nor blocks a signal.
func deaf(status string, s syscall.Signal) bool {
	first, inner := false, false
	for line := range strings.Lines(status) {
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch field {
		case "NSpid": // one pid for each namespace, from the reader's to its own
			pids := strings.Fields(value)
			inner, first = len(pids) > 1, pids[len(pids)-1] == "1"
		case "SigBlk", "SigIgn", "SigCgt":
			mask, err := strconv.ParseUint(value, 16, 64)
			if err != nil || mask&(1<<(s-1)) != 0 {
				return false
			}
		}
	}
	return first && inner
}

// KillTree kills an unreaped child of this process, and all its descendants through living
// parents. It stops each process before it lists the children, so that the process neither
// forks nor reaps: the pids remain valid.
func KillTree(pid int) {
	left := maxTree
	killTree(pid, &left)
}

func killTree(pid int, left *int) {
	if *left--; *left < 0 {
		return
	}
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	for _, child := range Children(pid) {
		killTree(child, left)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
}
