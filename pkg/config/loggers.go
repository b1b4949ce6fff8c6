package config

import (
	"strings"

	"github.com/emperor-go/emperor/internal/dialect"
	"github.com/emperor-go/emperor/pkg/config/serving"
)

// loggers warns about loggers of uWSGI that have no effect. A vassal has one log, its requests
// may have another, and both are files.
func (v review) loggers() {
	for _, e := range v.entries {
		switch {
		case e.Handled:
		case e.Key == "logger":
			idleLogger(e, v.LogTo, "log = FILE or log = journal; otherwise the emperor's log has everything", v.warnings)
		case e.Key == "req-logger", e.Key == "logger-req":
			idleLogger(e, v.Server.Log.File, "log = FILE contains requests as well, log-format sets their format, and disable-logging leaves them out", v.warnings)
		}
	}
}

// idleLogger warns about a logger, or a part of it, that has no effect next to the logger in use.
func idleLogger(e dialect.Entry, has, remedy string, warnings *Problems) {
	path, settings := serving.LoggerFile(e.Value)
	switch {
	case strings.TrimSuffix(e.Value, ":") == "stdio": // this is the default destination
	case path == "":
		warnings.Add(e.Origin, e.Key, "only file:PATH with a path from / is a logger here", remedy)
	case has == "":
		warnings.Add(e.Origin, e.Key, "a tenant's own file may not name a log: the emperor's log has it", "permitted in the operator's templates")
	case path != has:
		warnings.Add(e.Origin, e.Key, "there is one log, and "+has+" is it", "drop the line")
	case len(settings) > 0:
		warnings.Add(e.Origin, e.Key, strings.Join(settings, ", ")+" of a logger has no effect here", "logrotate: the file is opened again when it is renamed")
	}
}

// loggers warns about loggers of the emperor that have no effect. The emperor has one log, a
// file.
func (e *Emperor) loggers(warnings *Problems) {
	for _, l := range e.entries {
		if l.Handled || l.Key != "logger" {
			continue
		}
		path, settings := serving.LoggerPath(l.Value)
		switch {
		case strings.TrimSuffix(l.Value, ":") == "stdio": // this is the default destination
		case path == "":
			warnings.Add(l.Origin, l.Key, "only file:PATH is a logger here", "logto = FILE; otherwise standard error has everything")
		case path != e.Process.Log.Path:
			warnings.Add(l.Origin, l.Key, "there is one log, and "+e.Process.Log.Path+" is it", "drop the line")
		case len(settings) > 0:
			warnings.Add(l.Origin, l.Key, strings.Join(settings, ", ")+" of a logger has no effect here", "log-maxsize = BYTES, log-backupname = FILE")
		}
	}
}
