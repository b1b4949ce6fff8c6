package config

import "strconv"

// processOptions are about the emperor's own process and its log.
func processOptions() table[Emperor] {
	return table[Emperor]{
		{name: "emperor-log-format", group: "Logging", arg: "FORMAT", def: "text", help: "text, or json for one object a line", set: setLogFormat},
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
