package hooks

import (
	"fmt"
	"os/exec"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// cage is the cgroup of one program of a hook; nil: none.
type cage struct{ cgroup *namespaces.Cgroup }

// cages numbers the cgroups of this process.
var cages atomic.Uint64

// clearTimeout limits the wait for the end of killed processes.
const clearTimeout = 10 * time.Second

// enclose makes cmd start in the scene's cgroup, or in a new one where hooks have cgroups.
func (s *scene) enclose(cmd *exec.Cmd) (*cage, error) {
	if s.within != nil {
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, s.within.FD()
		return nil, nil
	}
	if s.cgroups == nil {
		return nil, nil
	}
	g, err := s.cgroups.CreateForHook("hook." + strconv.FormatUint(cages.Add(1), 10))
	if err != nil {
		return nil, fmt.Errorf("cannot make a cgroup: %w", err)
	}
	cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, g.FD()
	return &cage{g}, nil
}

func (c *cage) kill() {
	if c != nil {
		_ = c.cgroup.Kill()
	}
}

// end removes the cgroup. Processes that a successful program left behind move to the cgroup
// of this process; those of a failed program are killed.
func (c *cage) end(success bool) error {
	if c == nil {
		return nil
	}
	if success {
		return c.cgroup.Release()
	}
	return c.cgroup.Clear(clearTimeout)
}
