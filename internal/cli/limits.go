package cli

import (
	"fmt"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/readable"
)

// putUsage shows the use of a vassal against its limits.
func putUsage(u control.Usage, put func(key, value string)) {
	put("memory", u.MemoryText())
	put("tasks", u.TasksText())
	put("cpu", readable.Seconds(u.CPU))
	put("limits met", u.LimitsMet())
	if u.OOMKills != nil {
		put("out of memory", fmt.Sprintf("%d processes killed in its cgroup", *u.OOMKills))
	}
}
