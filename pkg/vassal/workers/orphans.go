package workers

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// Orphan is an adopted process that a worker or a daemon has left behind.
type Orphan struct {
	PID  int
	Name string
}

// Orphans implements System. The kernel gives orphans to the first thread of their new parent,
// which is the master's main thread (exit(2)). Probes and hooks are excluded: they are in the
// master's session.
func (p *Processes) Orphans() (list []Orphan) {
	children, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/children", unix.Gettid()))
	if err != nil {
		return nil
	}
	own, _ := unix.Getsid(0)
	for _, word := range strings.Fields(string(children)) {
		pid, err := strconv.Atoi(word)
		if l := p.started[pid]; err != nil || l != nil && !l.outlived {
			continue
		}
		session, err := unix.Getsid(pid)
		if _, ending := p.exitedShells[session]; err != nil || session == own || ending {
			continue
		}
		if name, err := os.ReadFile("/proc/" + word + "/comm"); err == nil {
			list = append(list, Orphan{pid, strings.TrimSpace(string(name))})
		}
	}
	return list
}

// EndOrphan implements System. It stops the process first, so that it cannot start others.
func (*Processes) EndOrphan(pid int) {
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	for _, member := range namespaces.Tree(pid) {
		_ = syscall.Kill(member, syscall.SIGKILL)
	}
}

// maxOrphans limits the orphans that a message names.
const maxOrphans = 3

// backgrounded returns the end of a worker for messages. A worker that exits with success soon
// after its start and leaves processes behind has put itself into the background, where it is not
// supervised. Its processes are killed, because the next worker would find its port and its files
// in use.
func (s *service) backgrounded(w *worker) string {
	if w.exit != (namespaces.ExitStatus{}) || w.lived() >= restartReset {
		return w.exit.String()
	}
	left := slices.DeleteFunc(s.system.Orphans(), func(o Orphan) bool { return s.daemons.has(o.PID) })
	if len(left) == 0 {
		return w.exit.String()
	}
	var names []string
	for _, o := range left {
		s.system.EndOrphan(o.PID)
		names = append(names, fmt.Sprintf("%s, process %d", o.Name, o.PID))
	}
	names = names[:min(len(names), maxOrphans)]
	return w.exit.String() + ", its program went into the background (" + strings.Join(names, ", ") + "): " + wire.Foreground
}
