package config

import (
	"strings"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// loggers tells those of uWSGI's loggers that are not heeded: a vassal has one log, its
// requests may have another, and both are files.
func (v *Vassal) loggers(warnings *Problems) {
	for _, e := range v.entries {
		o := vassalOptions.find(e.key)
		switch {
		case e.own || o == nil:
		case o.Name == "logger":
			idleLogger(e, v.LogTo, "log = FILE or log = journal; without it the emperor's log has all", warnings)
		case o.Name == "req-logger":
			idleLogger(e, v.Server.Log.File, "log = FILE has requests as well, log-format says how, and disable-logging leaves them out", warnings)
		}
	}
}

// idleLogger warns of a logger, or of a part of it, that does nothing beside the one that
// has the log.
func idleLogger(e entry, has, remedy string, warnings *Problems) {
	path, settings := serving.LoggerFile(e.value)
	switch {
	case strings.TrimSuffix(e.value, ":") == "stdio": // where all goes
	case path == "":
		warnings.add(e.origin, e.key, "only file:PATH with a path from / is a logger here", remedy)
	case has == "":
		warnings.add(e.origin, e.key, "a tenant's own file may not name a log: the emperor's log has it", "the operator may, in a template")
	case path != has:
		warnings.add(e.origin, e.key, "there is one log, and "+has+" is it", "drop the line")
	case len(settings) > 0:
		warnings.add(e.origin, e.key, strings.Join(settings, ", ")+" of a logger does nothing here", "logrotate: the file is opened again when it is renamed")
	}
}
