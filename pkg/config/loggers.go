package config

import (
	"cmp"
	"errors"
	"path/filepath"

	"github.com/emperor-go/emperor/internal/dialect"
	"github.com/emperor-go/emperor/internal/logger"
)

// loggers warns about loggers of uWSGI that have no effect. A vassal has one log, and its
// requests may have another.
func (v review) loggers() {
	has := logger.Logger{Path: v.LogTo}
	if l, err := logger.Parse(v.LogTo); err == nil {
		has = l
	}
	for _, e := range v.entries {
		switch {
		case e.Handled:
		case e.Key == "logger":
			idleLogger(e, has, "log = FILE or log = journal; otherwise the emperor's log has everything", v.warnings)
		case e.Key == "req-logger", e.Key == "logger-req":
			idleLogger(e, v.Server.Log.To, "log = FILE contains requests as well, log-format sets their format, and disable-logging leaves them out", v.warnings)
		}
	}
}

// idleLogger warns about a logger that has no effect next to the logger in use.
func idleLogger(e dialect.Entry, has logger.Logger, remedy string, warnings *Problems) {
	l, err := logger.Parse(e.Value)
	switch {
	case err != nil && !errors.Is(err, logger.ErrUnknown): // which is an error of the line
	case err != nil, l.Path != "" && !filepath.IsAbs(l.Path):
		warnings.Add(e.Origin, e.Key, "only file:PATH with a path from /, syslog:NAME, rsyslog:HOST:PORT, socket:ADDRESS and stdio are loggers here", remedy)
	case l == logger.Logger{}: // this is the default destination
	case has == logger.Logger{}:
		warnings.Add(e.Origin, e.Key, "a tenant's own file may not name a log: the emperor's log has it", "permitted in the operator's templates")
	case l != has:
		warnings.Add(e.Origin, e.Key, "there is one log, and "+cmp.Or(has.Path, "the first")+" is it", "drop the line")
	}
}

// loggers warns about loggers of the emperor that have no effect. The emperor has one log, a
// file.
func (e *Emperor) loggers(warnings *Problems) {
	for _, entry := range e.entries {
		if entry.Handled || entry.Key != "logger" {
			continue
		}
		l, err := logger.Parse(entry.Value)
		switch {
		case err != nil && !errors.Is(err, logger.ErrUnknown): // which is an error of the line
		case err == nil && l == logger.Logger{}: // this is the default destination
		case l.Path == "":
			warnings.Add(entry.Origin, entry.Key, "only file:PATH is a logger here", "logto = FILE; otherwise standard error has everything")
		case l.Path != e.Process.Log.Path:
			warnings.Add(entry.Origin, entry.Key, "there is one log, and "+e.Process.Log.Path+" is it", "drop the line")
		}
	}
}
