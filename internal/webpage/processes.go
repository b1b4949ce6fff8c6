package webpage

import (
	"os"
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/internal/readable"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// process is one of a vassal's processes.
type process struct {
	PID, Depth  int
	Name        string
	Memory, CPU string
}

// processes are the first processes of a vassal, parents before their children.
type processes struct {
	List []process
	More bool
}

// maxProcesses limits the list.
const maxProcesses = 40

// processesOf lists the processes of a vassal by the pid of its first one. Their command lines, which may
// contain passwords, are not read.
func processesOf(pid int) (p processes) {
	if pid != 0 {
		p.add(pid, 0)
	}
	return p
}

func (p *processes) add(pid, depth int) {
	if len(p.List) == maxProcesses {
		p.More = true
		return
	}
	name, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	if err != nil {
		return
	}
	used := namespaces.UsageOf(pid)
	p.List = append(p.List, process{
		pid, min(depth, 8), readable.Clean(strings.TrimSuffix(string(name), "\n")), readable.Size(used.RSS), readable.Seconds(used.CPU.Seconds()),
	})
	for _, child := range namespaces.Children(pid) {
		p.add(child, depth+1)
	}
}
