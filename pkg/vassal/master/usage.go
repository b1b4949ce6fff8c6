package master

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of times in proc_pid_stat(5). Linux tells programs 100 a
// second on every architecture that Go knows.
const clockTick = 10 * time.Millisecond

// maxTree bounds how many processes of a worker are counted.
const maxTree = 1000

// Usage implements System. The processes that a worker has started, and those
// they have, count as well. What cannot be read has used nothing.
func (*Processes) Usage(pid int) (u Usage) {
	queue := []int{pid}
	for seen := 0; len(queue) > 0 && seen < maxTree; seen++ {
		u.add(queue[0])
		queue = append(queue[1:], childrenOf(queue[0])...)
	}
	return u
}

// add counts one process, and those of its children that it has reaped.
func (u *Usage) add(pid int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return
	}
	// The name, in parentheses, may hold anything; the state, field 3, follows it.
	end := strings.LastIndexByte(string(text), ')')
	fields := strings.Fields(string(text[end+1:]))
	if len(fields) < 22 {
		return
	}
	for _, field := range fields[11:15] { // utime, stime, cutime, cstime
		ticks, _ := strconv.ParseInt(field, 10, 64)
		u.CPU += time.Duration(ticks) * clockTick
	}
	pages, _ := strconv.ParseInt(fields[21], 10, 64)
	u.RSS += pages * int64(os.Getpagesize())
}

// childrenOf lists the children of all threads of a process.
func childrenOf(pid int) (children []int) {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil
	}
	for _, task := range tasks {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		for _, word := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				children = append(children, child)
			}
		}
	}
	return children
}
