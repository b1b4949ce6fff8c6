package config

import (
	"slices"
	"strings"

	"github.com/emperor-go/emperor/pkg/config/option"
)

// processOptions are about the emperor's own process and its log.
var processOptions = option.Rows[Emperor]{
	{Name: "emperor-log-format", Group: "Logging", Arg: "FORMAT", Def: "text", Help: "text, or json for one object a line", Set: setLogFormat},
	{
		Name: "log-format", Group: "Logging", Arg: "FORMAT",
		Help: "short for emperor-log-format; a format of request lines, as in uWSGI, has no effect", Set: setShortLogFormat,
	},
	{Name: "log-level", Change: option.Reload, Group: "Logging", Arg: "LEVEL", Def: "info", Help: "debug, info, warn or error", Set: setLogLevel},

	{Name: "gid", Group: "Process", Arg: "GROUP", Guard: true, Help: "group of the emperor itself", Into: func(e *Emperor) option.Field { return &e.GID }},
	{Name: "uid", Group: "Process", Arg: "USER", Guard: true, Help: "user of the emperor itself", Into: func(e *Emperor) option.Field { return &e.UID }},
}

func setLogLevel(e *Emperor, v option.Value) error {
	if e.LogLevel.UnmarshalText([]byte(v.Text)) != nil {
		return option.Unknown("level", v.Text, "debug", "info", "warn", "error")
	}
	return nil
}

func setLogFormat(e *Emperor, v option.Value) error {
	e.LogFormat = true
	return either(&e.JSONLog, v.Text, "format", "text", "json")
}

// setShortLogFormat ignores uWSGI's own log-format, which a file for both an emperor and a vassal
// may contain.
func setShortLogFormat(e *Emperor, v option.Value) error {
	if strings.Contains(v.Text, "%(") || slices.Contains([]string{"combined", "common"}, v.Text) {
		return nil
	}
	return setLogFormat(e, v)
}
