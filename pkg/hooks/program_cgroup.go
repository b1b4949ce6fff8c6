package hooks

import (
	"fmt"
	"os/exec"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// programCgroup is the cgroup of one program of a hook; nil: none.
type programCgroup struct{ cgroup *namespaces.Cgroup }

// lastCgroup numbers the cgroups of this process.
var lastCgroup atomic.Uint64

// clearTimeout limits the wait for the end of killed processes.
const clearTimeout = 10 * time.Second

// useCgroup makes cmd start in the scene's cgroup, or in a new one where hooks have cgroups.
func (s *scene) useCgroup(cmd *exec.Cmd) (*programCgroup, error) {
	if s.within != nil {
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, s.within.FD()
		return nil, nil
	}
	if s.cgroups == nil {
		return nil, nil
	}
	g, err := s.cgroups.CreateForHook("hook." + strconv.FormatUint(lastCgroup.Add(1), 10))
	if err != nil {
		return nil, fmt.Errorf("cannot make a cgroup: %w", err)
	}
	cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, g.FD()
	return &programCgroup{g}, nil
}

func (c *programCgroup) kill() {
	if c != nil {
		_ = c.cgroup.Kill()
	}
}

// end removes the cgroup. Processes that a successful program left behind move to the cgroup
// of this process; processes of a failed program are killed.
func (c *programCgroup) end(success bool) error {
	if c == nil {
		return nil
	}
	if success {
		return c.cgroup.Release()
	}
	return c.cgroup.Clear(clearTimeout)
}
