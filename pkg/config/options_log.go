package config

import (
	"path/filepath"
	"strconv"

	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/config/serving"
)

// vassalLogOptions say where what a vassal prints goes. The emperor opens it.
var vassalLogOptions = option.Rows[Vassal]{
	{Name: "log", Group: "Logging", Arg: "FILE|journal", Help: "where what the vassal prints goes, instead of the emperor's log", Set: setLogTo},
	{
		Name: "logger", Group: "Logging", Arg: "file:PATH", Tyrant: true, Repeat: true, Help: "uWSGI's way to write log = PATH",
		Misreads: func(string, string) bool { return true }, Set: setLogger,
	},
}

// controlOptions say who may look at the emperor.
var controlOptions = option.Rows[Emperor]{
	{
		Name: "emperor-stats", Aliases: []string{"emperor-stats-server"}, Group: "Control", Arg: "ADDRESS", Guard: true,
		Help: "give statistics in uWSGI's form to whoever connects to HOST:PORT or the path of a socket", Into: func(e *Emperor) option.Field { return (*option.Text)(&e.Stats) },
	},
	{
		Name: "metrics", Group: "Control", Arg: "ADDRESS", Guard: true,
		Help: "give metrics to Prometheus by HTTP at HOST:PORT or the path of a socket", Into: func(e *Emperor) option.Field { return (*option.Text)(&e.Metrics) },
	},
}

// setLogger takes the first file. A tenant's own file has none: the emperor would open it.
// All other loggers are told by Vassal.loggers.
func setLogger(v *Vassal, t option.Value) error {
	if path, _ := serving.LoggerFile(t.Text); path != "" && v.LogTo == "" && !t.Tenant {
		v.LogTo = path
	}
	return nil
}

func setLogTo(v *Vassal, t option.Value) error {
	if t.Text != "journal" && !filepath.IsAbs(t.Text) {
		return option.Wrong(strconv.Quote(t.Text)+" is no place for a log", "the path of a file from /, or journal")
	}
	v.LogTo = t.Text
	return nil
}
