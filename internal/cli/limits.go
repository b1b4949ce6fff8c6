package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/internal/control"
)

// against returns a use with its limit, as 12M/128M; without a limit, the use.
func against(use, limit string) string {
	if use == "" || limit == "" {
		return use
	}
	return use + "/" + limit
}

// tasks returns the number of tasks of a vassal with its limit.
func tasks(u control.Usage) string {
	number := func(n uint64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatUint(n, 10)
	}
	return against(number(u.Tasks), number(u.TasksMax))
}

// met returns how often a vassal met its limits, for people.
func met(u control.Usage) string {
	var list []string
	for _, limit := range slices.Sorted(maps.Keys(u.LimitHits)) {
		text := fmt.Sprintf("%s %d times", limit, u.LimitHits[limit])
		if limit == "cpu-quota" && u.Throttled > 0 {
			text += " for " + seconds(u.Throttled)
		}
		list = append(list, text)
	}
	if u.OOMKills != nil && *u.OOMKills > 0 {
		list = append(list, fmt.Sprintf("out of memory %d", *u.OOMKills))
	}
	return strings.Join(list, ", ")
}

// sayUsage shows the use of a vassal against its limits.
func sayUsage(u control.Usage, say func(key, value string)) {
	say("memory", against(size(u.Memory), size(u.MemoryMax)))
	say("tasks", tasks(u))
	say("cpu", seconds(u.CPU))
	say("limits met", met(u))
	if u.OOMKills != nil {
		say("out of memory", fmt.Sprintf("%d processes killed in its cgroup", *u.OOMKills))
	}
}
