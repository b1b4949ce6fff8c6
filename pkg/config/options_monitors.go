package config

import (
	"path"
	"strings"

	"github.com/emperor-go/emperor/pkg/config/option"
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
var monitorOptions = option.Rows[Emperor]{
	{
		Name: "emperor", Group: "Monitors", Arg: "PLACE", Repeat: true, Help: "directory of vassals to watch, a pattern of paths, the file of one vassal, dir://DIR or glob://PATTERN",
		Set: setMonitor,
	},
	{
		Name: "emperor-extra-extension", Group: "Monitors", Arg: ".EXT", Repeat: true, Help: "a file with this ending is a vassal as well, in the ini form",
		Set: func(e *Emperor, v option.Value) error {
			e.Monitor.Extensions = append(e.Monitor.Extensions, v.Text)
			return nonempty(strings.Trim(v.Text, "."), "no ending given")
		},
	},
	{
		Name: "emperor-freq", Group: "Monitors", Arg: "TIME", Def: "30", Help: "time between full looks, under the events; 0: never",
		Into: func(e *Emperor) option.Field { return (*option.Duration)(&e.Rescan) },
	},
	{
		Name: "emperor-magic-exec", Group: "Monitors", Help: "execute a vassal's file that may be, within 10 s and where root owns it, and take its output",
		Into: func(e *Emperor) option.Field { return (*option.Flag)(&e.Monitor.MagicExec) },
	},
	{
		Name: "emperor-nofollow", Group: "Monitors", Help: "a vassal that is a symbolic link changes when the link does, not what it leads to",
		Into: func(e *Emperor) option.Field { return (*option.Flag)(&e.Monitor.NoFollow) },
	},
}

func setMonitor(e *Emperor, v option.Value) error {
	place := strings.TrimPrefix(v.Text, "dir://")
	scheme, pattern, given := strings.Cut(place, "://")
	switch {
	case place == "" || place == "glob://":
		return option.Wrong("no directory given", "such as /etc/vassals")
	case !given || strings.Contains(scheme, "/"):
		pattern = ""
	case scheme != "glob":
		return option.Wrong("there is no monitor "+scheme+"://", "a directory, or glob://PATTERN")
	}
	if _, err := path.Match(pattern, ""); err != nil {
		return option.Wrong("the pattern is wrong", "a [ that is not closed")
	}
	e.Monitors = append(e.Monitors, place)
	return nil
}
