package namespaces

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// StuckProcess is a process that does not end although it was killed.
type StuckProcess struct {
	PID int
	// Program is its name, State its state (proc_pid_stat(5)), such as D, and Wchan the
	// function of the kernel in which it sleeps, where that can be read.
	Program, State, Wchan string
}

// String prints like `process 42 (cat), state D in request_wait_answer`.
func (p StuckProcess) String() string {
	text := fmt.Sprintf("process %d (%s), state %s", p.PID, p.Program, p.State)
	if p.Wchan != "" && p.Wchan != "0" {
		text += " in " + p.Wchan
	}
	return text
}

// Attrs returns attributes for a line of a log.
func (p StuckProcess) Attrs() []any {
	return []any{"pid", p.PID, "program", p.Program, "state", p.State, "wchan", p.Wchan}
}

// Unkillable is the time that a process has to end after it was killed. After that callers go
// on without it.
const Unkillable = 5 * time.Second

const (
	// stuckShown is the number of processes that Stuck returns, and stuckSeen the number that
	// it looks at.
	stuckShown = 5
	stuckSeen  = 10_000
)

// Stuck returns processes of a tree that was killed and still exists: the ones that sleep in the
// kernel without taking signals, or else the first one. The caller must not have reaped the
// first one. It does not block.
func Stuck(root int) (stuck []StuckProcess) {
	next := []int{root}
	for seen := 0; seen < len(next) && seen < stuckSeen; seen++ {
		if p, ok := stuckProcess(next[seen]); ok && p.State == "D" {
			if stuck = append(stuck, p); len(stuck) == stuckShown {
				return stuck
			}
		}
		next = append(next, Children(next[seen])...)
	}
	if p, ok := stuckProcess(root); ok && len(stuck) == 0 {
		stuck = append(stuck, p)
	}
	return stuck
}

func stuckProcess(pid int) (p StuckProcess, ok bool) {
	s, ok := stat(pid)
	if !ok {
		return p, false
	}
	wchan, _ := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", pid))
	p = StuckProcess{PID: pid, Program: s.Name, State: s.State, Wchan: strings.TrimSpace(string(wchan))}
	return p, true
}
