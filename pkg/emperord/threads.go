package emperord

import (
	"fmt"
	"os"
	"runtime"

	"github.com/emperor-go/emperor/internal/outset"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// sundry is the number of threads for the log, signals, links, the control socket and the Go
// runtime itself.
const sundry = 16

// reserveThreads starts all threads that the emperor ever needs at the same time, so that it
// survives when the kernel refuses more: its vassals may be the cause.
func reserveThreads(o *config.Emperor) error {
	n := max(runtime.NumCPU(), runtime.GOMAXPROCS(0)) + o.Concurrency + namespaces.AtOnce + 2*reads.Threads + sundry // reads of files, and logs of vassals
	there, _ := os.ReadDir("/proc/self/task")
	if left, limit := namespaces.TasksLeft(); n-len(there) > left {
		return fmt.Errorf("cannot start %d threads: %s leaves room for %d (TasksMax= in a unit of systemd)", n-len(there), limit, left)
	}
	outset.Threads(n)
	return nil
}
