package config

import (
	"strconv"
	"strings"
)

// processOptions are about the emperor's own process and its log.
func processOptions() table[Emperor] {
	return table[Emperor]{
		{name: "emperor-log-format", group: "Logging", arg: "FORMAT", def: "text", help: "text, or json for one object a line", set: setLogFormat},
		{name: "log-format", group: "Logging", arg: "FORMAT", help: "short for emperor-log-format; what uWSGI means by it, lines for requests, is left out", set: setShortLogFormat},
		{name: "log-level", group: "Logging", arg: "LEVEL", def: "info", help: "debug, info, warn or error", set: setLogLevel},

		{name: "gid", group: "Process", arg: "GROUP", guard: true, help: "group of the emperor itself", set: identity(func(e *Emperor) *Identity { return &e.GID })},
		{name: "uid", group: "Process", arg: "USER", guard: true, help: "user of the emperor itself", set: identity(func(e *Emperor) *Identity { return &e.UID })},
	}
}

func setLogLevel(e *Emperor, v value) error {
	if e.LogLevel.UnmarshalText([]byte(v.text)) != nil {
		return hinted{"unknown level " + strconv.Quote(v.text), "debug, info, warn or error"}
	}
	return nil
}

func setLogFormat(e *Emperor, v value) error {
	switch v.text {
	case "text", "json":
		e.JSONLog = v.text == "json"
		return nil
	}
	return hinted{"unknown format " + strconv.Quote(v.text), "text or json"}
}

// setShortLogFormat leaves uWSGI's own log-format alone, which an emperor's file
// has when it is a vassal's as well.
func setShortLogFormat(e *Emperor, v value) error {
	if strings.Contains(v.text, "%(") {
		return nil
	}
	return setLogFormat(e, v)
}
