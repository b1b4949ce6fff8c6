package hooks

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// cage is the cgroup of one program that a hook runs; nil: it has none.
type cage struct{ cgroup *namespaces.Cgroup }

// cages tells those of this process apart.
var cages atomic.Uint64

// clearTimeout bounds how long the end of what was killed is waited for.
const clearTimeout = 10 * time.Second

// enclose makes cmd start in the cgroup that the scene says, or in one of its own
// where there are any.
func (s *scene) enclose(cmd *exec.Cmd) (*cage, error) {
	if s.within != nil {
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, s.within.FD()
		return nil, nil
	}
	if s.cgroups == nil {
		return nil, nil
	}
	g, err := s.cgroups.Create("hook." + strconv.FormatUint(cages.Add(1), 10))
	if err != nil {
		return nil, fmt.Errorf("cannot make a cgroup: %w", err)
	}
	cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, g.FD()
	return &cage{g}, nil
}

// expose takes from what has just started the emperor's oom_score_adj.
func (c *cage) expose() {
	if c != nil {
		_ = c.cgroup.Expose() // the program itself was
	}
}

func (c *cage) kill() {
	if c != nil {
		_ = c.cgroup.Kill()
	}
}

// end removes the cgroup. What a successful program left running in it goes on
// where this process is; what a failed one left is killed.
func (c *cage) end(success bool) error {
	if c == nil {
		return nil
	}
	if success {
		return c.cgroup.Release()
	}
	ctx, cancel := context.WithTimeout(context.Background(), clearTimeout)
	defer cancel()
	var err error
	namespaces.Bounded(func() { err = c.cgroup.Kill() })
	if err == nil {
		err = c.cgroup.Empty(ctx)
	}
	if remove := c.cgroup.Remove(); err == nil {
		err = remove
	}
	return err
}
