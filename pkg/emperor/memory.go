package emperor

import "github.com/emperor-go/emperor/pkg/namespaces"

// memory is the cgroup that counts the memory of a generation.
type memory struct {
	cgroup namespaces.MemoryCgroup
	before int // kills of others who were in it
}

// noteMemory remembers in which cgroup the vassal is, for its end: a dead process
// has none in v1. Hooks may have put it there.
func (c *child) noteMemory() {
	m := &memory{cgroup: namespaces.MemoryCgroupOf(c.process.PID)}
	var ok bool
	if m.before, ok = m.cgroup.Kills(); !ok {
		return
	}
	if known := c.memory.Load(); known == nil || known.cgroup != m.cgroup {
		c.memory.Store(m)
	}
}

// kills is how many of its processes were killed for want of memory.
func (m *memory) kills() int {
	if m == nil {
		return 0
	}
	now, _ := m.cgroup.Kills()
	return max(0, now-m.before)
}
