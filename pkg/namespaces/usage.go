package namespaces

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	// clockTick is the unit of times in proc_pid_stat(5). Linux tells programs 100 a
	// second on every architecture that Go knows.
	clockTick = 10 * time.Millisecond
	// maxTree bounds how many processes count as descendants of one.
	maxTree = 1000
)

// Usage is what processes have used.
type Usage struct {
	// CPU is time on a processor, also that of children which were reaped.
	CPU time.Duration
	// RSS is resident memory in bytes.
	RSS uint64
}

func (u Usage) plus(v Usage) Usage { return Usage{u.CPU + v.CPU, u.RSS + v.RSS} }

// UsageOf is what one process has used. One that cannot be read has used nothing.
func UsageOf(pid int) (u Usage) {
	fields := stat(pid)
	if len(fields) < 22 {
		return u
	}
	for _, field := range fields[11:15] { // utime, stime, cutime, cstime
		ticks, _ := strconv.ParseInt(field, 10, 64)
		u.CPU += time.Duration(ticks) * clockTick
	}
	pages, _ := strconv.ParseUint(fields[21], 10, 64)
	u.RSS = pages * uint64(os.Getpagesize())
	return u
}

// TreeUsage is what a process and its descendants have used.
func TreeUsage(pid int) (u Usage) {
	queue := []int{pid}
	for seen := 0; len(queue) > 0 && seen < maxTree; seen++ {
		u = u.plus(UsageOf(queue[0]))
		queue = append(queue[1:], Children(queue[0])...)
	}
	return u
}

// Children lists the children of all threads of a process, also those that are
// dead and not reaped; none of one that cannot be read.
func Children(pid int) (children []int) {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil
	}
	for _, task := range tasks {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		for word := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				children = append(children, child)
			}
		}
	}
	return children
}

// UserOf is the effective user of a process; ok is false when it cannot be read.
func UserOf(pid int) (uid uint32, ok bool) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, ids, found := strings.Cut(string(text), "\nUid:")
	fields := strings.Fields(ids)
	if !found || len(fields) < 2 {
		return 0, false
	}
	n, err := strconv.ParseUint(fields[1], 10, 32)
	return uint32(n), err == nil
}

// IsZombie reports whether a process is dead and nobody has reaped it.
func IsZombie(pid int) bool {
	fields := stat(pid)
	return len(fields) > 0 && fields[0] == "Z"
}

// stat is proc_pid_stat(5) from the state on, its third field: the name before it
// stands in parentheses and may hold anything.
func stat(pid int) []string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
}
