package config

import (
	"path"
	"strings"
	"time"
)

// Monitoring is how all monitors look at files.
type Monitoring struct {
	// Extensions are further ends of names that make a file a vassal.
	Extensions []string
	// NoFollow looks at a symbolic link instead of what it leads to.
	NoFollow bool
	// MagicExec takes the output of a file that may be executed.
	MagicExec bool
}

// monitorOptions say where vassals come from.
func monitorOptions() table[Emperor] {
	return table[Emperor]{
		{
			name: "emperor", group: "Monitors", arg: "PLACE", repeat: true, help: "directory of vassals to watch, a pattern of paths, dir://DIR or glob://PATTERN",
			set: setMonitor,
		},
		{
			name: "emperor-extra-extension", group: "Monitors", arg: ".EXT", repeat: true, help: "a file with this ending is a vassal as well, in the ini form",
			set: func(e *Emperor, v value) error {
				e.Monitor.Extensions = append(e.Monitor.Extensions, v.text)
				return nonempty(strings.Trim(v.text, "."), "no ending given")
			},
		},
		{
			name: "emperor-freq", group: "Monitors", arg: "TIME", def: "30", help: "time between full looks, under the events; 0: never",
			set: duration(func(e *Emperor) *time.Duration { return &e.Rescan }),
		},
		{
			name: "emperor-magic-exec", group: "Monitors", help: "execute a vassal's file that may be, within 10 s and where root owns it, and take its output",
			set: yes(func(e *Emperor) *bool { return &e.Monitor.MagicExec }),
		},
		{
			name: "emperor-nofollow", group: "Monitors", help: "a vassal that is a symbolic link changes when the link does, not what it leads to",
			set: yes(func(e *Emperor) *bool { return &e.Monitor.NoFollow }),
		},
	}
}

func setMonitor(e *Emperor, v value) error {
	place := strings.TrimPrefix(v.text, "dir://")
	scheme, pattern, given := strings.Cut(place, "://")
	switch {
	case place == "" || place == "glob://":
		return hinted{"no directory given", "such as /etc/vassals"}
	case !given || strings.Contains(scheme, "/"):
		pattern = ""
	case scheme != "glob":
		return hinted{"there is no monitor " + scheme + "://", "a directory, or glob://PATTERN"}
	}
	if _, err := path.Match(pattern, ""); err != nil {
		return hinted{"the pattern is wrong", "a [ that is not closed"}
	}
	e.Monitors = append(e.Monitors, place)
	return nil
}
