package config

import (
	"errors"
	"path/filepath"
	"strconv"

	"github.com/emperor-go/emperor/internal/logger"
	"github.com/emperor-go/emperor/pkg/config/option"
)

// vassalLogOptions select the destination of a vassal's output. The emperor opens it.
var vassalLogOptions = option.Rows[Vassal]{
	{Name: "log", Group: "Logging", Arg: "FILE|journal", Help: "destination of the vassal's output, instead of the emperor's log", Set: setLogTo},
	{
		Name: "logger", Group: "Logging", Arg: "LOGGER", Tyrant: true, Repeat: true,
		Help:     "uWSGI's way to write log, with more destinations: file:PATH, syslog:NAME, rsyslog:HOST:PORT, socket:ADDRESS",
		Misreads: func(string, string) bool { return true }, Set: setLogger,
	},
}

// controlOptions are the emperor's sockets for operators and monitoring.
var controlOptions = option.Rows[Emperor]{
	{
		Name: "control-socket-group", Group: "Control", Arg: "GROUP", Guard: true, Help: "group whose members may use all commands, as root may",
		Into: func(e *Emperor) option.Field { return &e.ControlGroup },
	},
	{
		Name: "control-socket-read-group", Group: "Control", Arg: "GROUP", Guard: true, Help: "group whose members may see all vassals, their logs and events",
		Into: func(e *Emperor) option.Field { return &e.ControlReadGroup },
	},
	{
		Name: "emperor-stats", Aliases: []string{"emperor-stats-server"}, Group: "Control", Arg: "ADDRESS", Guard: true,
		Help: "send statistics in uWSGI's format to clients of HOST:PORT or the path of a socket",
		Into: func(e *Emperor) option.Field { return (*option.Text)(&e.Stats) },
	},
	{
		Name: "emperor-trace", Group: "Control", Arg: "URL", Guard: true,
		Help: "send a trace of each launch to this receiver of OpenTelemetry (OTLP over HTTP, as JSON), such as http://127.0.0.1:4318", Set: setTrace,
	},
	{
		Name: "emperor-web", Group: "Control", Arg: "ADDRESS", Guard: true,
		Help: "serve a page about vassals for browsers, read-only, at the path of a socket, which has mode 0600, or at HOST:PORT; an address that " +
			"other machines reach needs emperor-web-users",
		Set: setWeb,
	},
	{
		Name: "emperor-web-host", Group: "Control", Arg: "NAME", Repeat: true,
		Help: "a host name under which browsers may ask for the page of emperor-web; numeric addresses, localhost and the name of this machine are always permitted",
		Set:  addWebHost,
	},
	{
		Name: "emperor-web-users", Group: "Control", Arg: "FILE", Guard: true,
		Help: "ask readers of emperor-web for a name and a password of this file, as htpasswd makes it", Set: setWebUsers,
	},
	{
		Name: "metrics", Group: "Control", Arg: "ADDRESS", Guard: true,
		Help: "serve metrics for Prometheus by HTTP at HOST:PORT or the path of a socket", Into: func(e *Emperor) option.Field { return (*option.Text)(&e.Metrics) },
	},
}

// setLogger uses the first logger. It ignores loggers in a tenant's own file, because the emperor
// would open the log. Vassal.loggers warns about all others without an effect.
func setLogger(v *Vassal, t option.Value) error {
	l, err := logger.Parse(t.Text)
	switch {
	case errors.Is(err, logger.ErrUnknown), t.Tenant:
	case err != nil:
		return option.Wrong(err.Error(), "file:PATH, syslog:NAME, socket:ADDRESS or stdio")
	case v.LogTo != "" || l == (logger.Logger{}), l.Path != "" && !filepath.IsAbs(l.Path):
	default:
		v.LogTo = logTo(t.Text, l)
	}
	return nil
}

// logTo returns the destination as Vassal.LogTo has it.
func logTo(text string, l logger.Logger) string {
	if l == (logger.Logger{Path: l.Path}) {
		return l.Path
	}
	return text
}

func setLogTo(v *Vassal, t option.Value) error {
	if t.Text != "journal" && !filepath.IsAbs(t.Text) {
		return option.Wrong(strconv.Quote(t.Text)+" is not a destination for a log", "the path of a file from /, or journal")
	}
	v.LogTo = t.Text
	return nil
}
