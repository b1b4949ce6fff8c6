package main

import (
	"fmt"
	"os"
	"runtime"

	"github.com/emperor-go/emperor/internal/outset"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

const (
	// slowReads is how many threads may hang in the reading of files at a time.
	slowReads = 24
	// sundry is for the log, signals, links, the control socket and what the Go runtime
	// has for itself.
	sundry = 16
)

// reserveThreads makes all threads that the emperor will ever need at a time, so that
// it lives on when the kernel has no more to give: its vassals may be the reason.
func reserveThreads(o *config.Emperor) error {
	n := max(runtime.NumCPU(), runtime.GOMAXPROCS(0)) + o.Concurrency + namespaces.AtOnce + slowReads + sundry
	there, _ := os.ReadDir("/proc/self/task")
	if left, limit := namespaces.TasksLeft(); n-len(there) > left {
		return fmt.Errorf("cannot start %d threads: %s leaves room for %d (TasksMax= in a unit of systemd)", n-len(there), limit, left)
	}
	outset.Threads(n)
	return nil
}
