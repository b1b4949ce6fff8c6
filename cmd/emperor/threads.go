package main

import (
	"fmt"
	"os"
	"runtime"

	"github.com/emperor-go/emperor/internal/outset"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor/reads"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// sundry is how many threads are for the log, signals, links, the control socket and what
// the Go runtime has for itself.
const sundry = 16

// reserveThreads makes all threads that the emperor will ever need at a time, so that
// it lives on when the kernel has no more to give: its vassals may be the reason.
func reserveThreads(o *config.Emperor) error {
	n := max(runtime.NumCPU(), runtime.GOMAXPROCS(0)) + o.Concurrency + namespaces.AtOnce + 2*reads.Threads + sundry // looks at files, and logs of vassals
	there, _ := os.ReadDir("/proc/self/task")
	if left, limit := namespaces.TasksLeft(); n-len(there) > left {
		return fmt.Errorf("cannot start %d threads: %s leaves room for %d (TasksMax= in a unit of systemd)", n-len(there), limit, left)
	}
	outset.Threads(n)
	return nil
}
