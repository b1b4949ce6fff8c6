package process

import (
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// oomCounter is the cgroup that accounts the memory of a generation.
type oomCounter struct {
	cgroup namespaces.MemoryCgroup
	before int // kills of earlier processes in it
}

// rememberCgroup remembers the vassal's cgroup for its end, because a dead process has none in v1. moved: it may have left the cgroup
// in which it was made, and is asked for the one that it is in.
func (c *child) rememberCgroup(moved bool) {
	if !moved {
		if c.resources.cgroup != nil {
			c.oomCounter.Store(&oomCounter{cgroup: c.resources.cgroup.Memory()})
		}
		return // otherwise it is in the emperor's
	}
	m := &oomCounter{cgroup: namespaces.MemoryCgroupOf(c.resources.process.PID)}
	var ok bool
	if m.before, ok = m.cgroup.Kills(); !ok {
		return
	}
	if known := c.oomCounter.Load(); known == nil || known.cgroup != m.cgroup {
		c.oomCounter.Store(m)
	}
}

// movedByHooks reports whether hooks of the emperor may have moved the child to another cgroup.
func (c *child) movedByHooks() bool {
	return len(c.resources.launcher.Hooks.of(c.resources.request, hooks.AsEmperor))+len(c.resources.launcher.Hooks.of(c.resources.request, hooks.AsEmperorSetns)) > 0
}

// kills returns how many of its processes the OOM killer has killed.
func (m *oomCounter) kills() int {
	if m == nil {
		return 0
	}
	now, _ := m.cgroup.Kills()
	return max(0, now-m.before)
}
