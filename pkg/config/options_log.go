package config

import (
	"path/filepath"
	"strconv"
)

// vassalLogOptions say where what a vassal prints goes. The emperor opens it.
func vassalLogOptions() table[Vassal] {
	return table[Vassal]{
		{name: "log", group: "Logging", arg: "FILE|journal", help: "where what the vassal prints goes, instead of the emperor's log", set: setLogTo},
	}
}

// controlOptions say who may look at the emperor.
func controlOptions() table[Emperor] {
	return table[Emperor]{
		{
			name: "emperor-stats", aliases: []string{"emperor-stats-server"}, group: "Control", arg: "ADDRESS", guard: true,
			help: "give statistics in uWSGI's form to whoever connects to HOST:PORT or the path of a socket", set: text(func(e *Emperor) *string { return &e.Stats }),
		},
		{
			name: "metrics", group: "Control", arg: "ADDRESS", guard: true,
			help: "give metrics to Prometheus by HTTP at HOST:PORT or the path of a socket", set: text(func(e *Emperor) *string { return &e.Metrics }),
		},
	}
}

func setLogTo(v *Vassal, t value) error {
	if t.text != "journal" && !filepath.IsAbs(t.text) {
		return hinted{strconv.Quote(t.text) + " is no place for a log", "the path of a file from /, or journal"}
	}
	v.LogTo = t.text
	return nil
}
