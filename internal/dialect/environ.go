package dialect

import (
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/environ"
	"github.com/emperor-go/emperor/internal/problem"
)

// notOptions are variables with the prefix of options that are not options (parse_sys_envs).
var notOptions = []string{
	"BROODLORD_NUM", "EMPEROR_FD", "EMPEROR_FD_CONFIG", "EMPEROR_PROXY", "JAIL_PID", "ORIGINAL_PROC_NAME",
	"RELOADS", "VASSALS_DIR",
}

// Environ adds the options in the environment: UWSGI_FOO_BAR is foo-bar. They come before
// all others. UWSGI_VASSAL_X is information of an emperor about a vassal.
func (r *Reader) Environ() {
	r.position.shared = true
	for _, variable := range r.permissions.Environ {
		name, ok := environ.CutOption(variable)
		if !ok {
			continue
		}
		key, value, ok := strings.Cut(name, "=")
		option := strings.ReplaceAll(strings.ToLower(key), "_", "-")
		if !ok || slices.Contains(notOptions, key) || strings.HasPrefix(key, "VASSAL_") && !r.options.Known(option) {
			continue
		}
		r.position.at = problem.Origin{File: "environment UWSGI_" + key}
		r.add(option, value)
	}
	r.position.at, r.position.shared = problem.Origin{}, false
}
