package process

import "github.com/emperor-go/emperor/pkg/namespaces"

// oomCounter is the cgroup that accounts the memory of a generation.
type oomCounter struct {
	cgroup namespaces.MemoryCgroup
	before int // kills of earlier processes in it
}

// rememberCgroup remembers the vassal's cgroup for its end, because a dead process has none in v1.
// Hooks may have moved the vassal there.
func (c *child) rememberCgroup() {
	m := &oomCounter{cgroup: namespaces.MemoryCgroupOf(c.process.PID)}
	var ok bool
	if m.before, ok = m.cgroup.Kills(); !ok {
		return
	}
	if known := c.oomCounter.Load(); known == nil || known.cgroup != m.cgroup {
		c.oomCounter.Store(m)
	}
}

// kills returns how many of its processes the OOM killer has killed.
func (m *oomCounter) kills() int {
	if m == nil {
		return 0
	}
	now, _ := m.cgroup.Kills()
	return max(0, now-m.before)
}
