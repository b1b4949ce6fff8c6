package cli

import (
	"fmt"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/readable"
)

// sayUsage shows the use of a vassal against its limits.
func sayUsage(u control.Usage, say func(key, value string)) {
	say("memory", u.MemoryText())
	say("tasks", u.TasksText())
	say("cpu", readable.Seconds(u.CPU))
	say("limits met", u.LimitsMet())
	if u.OOMKills != nil {
		say("out of memory", fmt.Sprintf("%d processes killed in its cgroup", *u.OOMKills))
	}
}
