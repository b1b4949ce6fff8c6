package config

import (
	"path"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/pkg/config/option"
)

// Monitoring has the options of all monitors.
type Monitoring struct {
	// Extensions are additional file name extensions of vassals.
	Extensions []string
	// NoFollow monitors a symbolic link itself instead of its target.
	NoFollow bool
	// MagicExec runs executable files and uses their output.
	MagicExec bool
}

// monitorOptions select the sources of vassals.
var monitorOptions = option.Rows[Emperor]{
	{
		Name: "emperor", Group: "Monitors", Arg: "PLACE", Repeat: true,
		Help: "directory of vassals to watch, a pattern of paths, the file of one vassal, dir://DIR or glob://PATTERN",
		Set:  setMonitor,
	},
	{
		Name: "emperor-extra-extension", Aliases: []string{"emperor-extra-ext"}, Group: "Monitors", Arg: ".EXT", Repeat: true,
		Help: "files with this extension are vassals as well, in the ini format",
		Set: func(e *Emperor, v option.Value) error {
			e.Monitor.Extensions = append(e.Monitor.Extensions, v.Text)
			return nonempty(strings.Trim(v.Text, "."), "no extension given")
		},
	},
	{
		Name: "emperor-freq", Group: "Monitors", Arg: "TIME", Def: "30", Help: "interval of full rescans, in addition to events; 0: never",
		Into: func(e *Emperor) option.Field { return (*option.Duration)(&e.Rescan) },
	},
	{
		Name: "emperor-magic-exec", Group: "Monitors", Help: "run executable vassal files owned by root (10 s limit) and use their output as configuration",
		Into: func(e *Emperor) option.Field { return (*option.Flag)(&e.Monitor.MagicExec) },
	},
	{
		Name: "emperor-nofollow", Group: "Monitors", Help: "a vassal that is a symbolic link changes when the link does, not when its target does",
		Into: func(e *Emperor) option.Field { return (*option.Flag)(&e.Monitor.NoFollow) },
	},
}

// monitorSchemes are the additional schemes of monitors.
var monitorSchemes []string

// PermitMonitors makes the option emperor accept addresses with these schemes, such as http for
// http://HOST/PATH. Programs with monitors of their own call it before they parse any
// configuration.
func PermitMonitors(names ...string) {
	monitorSchemes = append(monitorSchemes, names...)
}

func setMonitor(e *Emperor, v option.Value) error {
	place := strings.TrimPrefix(v.Text, "dir://")
	scheme, pattern, given := strings.Cut(place, "://")
	switch {
	case place == "" || place == "glob://":
		return option.Wrong("no directory given", "such as /etc/vassals")
	case !given || strings.Contains(scheme, "/"), slices.Contains(monitorSchemes, scheme):
		pattern = ""
	case scheme != "glob":
		return option.Wrong("there is no monitor "+scheme+"://", "a directory, or glob://PATTERN")
	}
	if _, err := path.Match(pattern, ""); err != nil {
		return option.Wrong("the pattern is invalid", "a [ that is not closed")
	}
	e.Monitors = append(e.Monitors, place)
	return nil
}
