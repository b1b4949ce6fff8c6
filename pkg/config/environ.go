package config

import (
	"slices"
	"strings"
)

// notOptions are variables that begin as options do and are none (parse_sys_envs).
var notOptions = []string{
	"BROODLORD_NUM", "EMPEROR_FD", "EMPEROR_FD_CONFIG", "EMPEROR_PROXY", "JAIL_PID", "ORIGINAL_PROC_NAME",
	"RELOADS", "VASSALS_DIR",
}

// fromEnviron takes the options that stand in the environment: UWSGI_FOO_BAR is
// foo-bar. They come before all others. UWSGI_VASSAL_X is what an emperor tells
// of a vassal.
func (r *reader) fromEnviron() {
	r.shared = true
	for _, variable := range r.access.Environ {
		name, ok := strings.CutPrefix(variable, "UWSGI_")
		if !ok {
			continue
		}
		key, value, ok := strings.Cut(name, "=")
		option := strings.ReplaceAll(strings.ToLower(key), "_", "-")
		if !ok || slices.Contains(notOptions, key) || strings.HasPrefix(key, "VASSAL_") && !isOption(option) {
			continue
		}
		r.at = Origin{File: "environment UWSGI_" + key}
		r.add(option, value)
	}
	r.at, r.shared = Origin{}, false
}
