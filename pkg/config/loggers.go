package config

import (
	"strings"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// loggers warns about loggers of uWSGI that have no effect: a vassal has one log, its requests
// may have another, and both are files.
func (v *Vassal) loggers(warnings *Problems) {
	for _, e := range v.entries {
		o := vassalOptions.find(e.key)
		switch {
		case e.own || o == nil:
		case o.Name == "logger":
			idleLogger(e, v.LogTo, "log = FILE or log = journal; otherwise the emperor's log has everything", warnings)
		case o.Name == "req-logger":
			idleLogger(e, v.Server.Log.File, "log = FILE contains requests as well, log-format sets their format, and disable-logging leaves them out", warnings)
		}
	}
}

// idleLogger warns about a logger, or a part of it, without effect beside the logger in use.
func idleLogger(e entry, has, remedy string, warnings *Problems) {
	path, settings := serving.LoggerFile(e.value)
	switch {
	case strings.TrimSuffix(e.value, ":") == "stdio": // the default destination
	case path == "":
		warnings.add(e.origin, e.key, "only file:PATH with a path from / is a logger here", remedy)
	case has == "":
		warnings.add(e.origin, e.key, "a tenant's own file may not name a log: the emperor's log has it", "the operator may, in a template")
	case path != has:
		warnings.add(e.origin, e.key, "there is one log, and "+has+" is it", "drop the line")
	case len(settings) > 0:
		warnings.add(e.origin, e.key, strings.Join(settings, ", ")+" of a logger has no effect here", "logrotate: the file is opened again when it is renamed")
	}
}

// loggers warns about loggers of the emperor that have no effect: it has one log, a file.
func (e *Emperor) loggers(warnings *Problems) {
	for _, l := range e.entries {
		if o := emperorOptions.find(l.key); l.own || o == nil || o.Name != "logger" {
			continue
		}
		path, settings := serving.LoggerPath(l.value)
		switch {
		case strings.TrimSuffix(l.value, ":") == "stdio": // the default destination
		case path == "":
			warnings.add(l.origin, l.key, "only file:PATH is a logger here", "logto = FILE; otherwise standard error has everything")
		case path != e.Process.Log.Path:
			warnings.add(l.origin, l.key, "there is one log, and "+e.Process.Log.Path+" is it", "drop the line")
		case len(settings) > 0:
			warnings.add(l.origin, l.key, strings.Join(settings, ", ")+" of a logger has no effect here", "log-maxsize = BYTES, log-backupname = FILE")
		}
	}
}
