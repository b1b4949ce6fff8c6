package config

import (
	"strings"
	"time"
)

// monitorOptions say where vassals come from.
func monitorOptions() table[Emperor] {
	return table[Emperor]{
		{name: "emperor", group: "Monitors", arg: "DIR", repeat: true, help: "directory of vassals to watch", set: setMonitor},
		{
			name: "emperor-freq", group: "Monitors", arg: "TIME", def: "30", help: "time between full looks, under the events; 0: never",
			set: duration(func(e *Emperor) *time.Duration { return &e.Rescan }),
		},
	}
}

func setMonitor(e *Emperor, v value) error {
	dir := strings.TrimPrefix(v.text, "dir://")
	if dir == "" {
		return hinted{"no directory given", "such as /etc/vassals"}
	}
	e.Monitors = append(e.Monitors, dir)
	return nil
}
