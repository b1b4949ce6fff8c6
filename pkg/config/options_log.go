package config

import (
	"path/filepath"
	"strconv"

	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/config/serving"
)

// vassalLogOptions select the destination of a vassal's output. The emperor opens it.
var vassalLogOptions = option.Rows[Vassal]{
	{Name: "log", Group: "Logging", Arg: "FILE|journal", Help: "destination of the vassal's output, instead of the emperor's log", Set: setLogTo},
	{
		Name: "logger", Group: "Logging", Arg: "file:PATH", Tyrant: true, Repeat: true, Help: "uWSGI's way to write log = PATH",
		Misreads: func(string, string) bool { return true }, Set: setLogger,
	},
}

// controlOptions are the emperor's sockets for operators and monitoring.
var controlOptions = option.Rows[Emperor]{
	{
		Name: "emperor-stats", Aliases: []string{"emperor-stats-server"}, Group: "Control", Arg: "ADDRESS", Guard: true,
		Help: "send statistics in uWSGI's format to clients of HOST:PORT or the path of a socket", Into: func(e *Emperor) option.Field { return (*option.Text)(&e.Stats) },
	},
	{
		Name: "metrics", Group: "Control", Arg: "ADDRESS", Guard: true,
		Help: "serve metrics for Prometheus by HTTP at HOST:PORT or the path of a socket", Into: func(e *Emperor) option.Field { return (*option.Text)(&e.Metrics) },
	},
}

// setLogger uses the first file. It ignores loggers in a tenant's own file, because the emperor
// would open the log. Vassal.loggers warns about all other loggers.
func setLogger(v *Vassal, t option.Value) error {
	if path, _ := serving.LoggerFile(t.Text); path != "" && v.LogTo == "" && !t.Tenant {
		v.LogTo = path
	}
	return nil
}

func setLogTo(v *Vassal, t option.Value) error {
	if t.Text != "journal" && !filepath.IsAbs(t.Text) {
		return option.Wrong(strconv.Quote(t.Text)+" is not a destination for a log", "the path of a file from /, or journal")
	}
	v.LogTo = t.Text
	return nil
}
