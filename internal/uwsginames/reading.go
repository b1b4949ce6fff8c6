package uwsginames

import "slices"

// atOnce are the options that act while uWSGI reads a configuration (UWSGI_OPT_IMMEDIATE), except
// the options that shape the list of options.
var atOnce = []string{
	"autoload", "dlopen", "early-envdir", "fallback-config", "flock", "flock-wait", "immediate-gid", "immediate-uid",
	"iprint", "listen", "need-plugin", "need-plugins", "plugin", "plugin-dir", "plugins", "plugins-dir",
	"spooler-processes", "strict", "umask",
}

// AtOnce reports whether uWSGI acts on an option while it reads, with its unexpanded value. The
// options that shape the list, such as include, are not among them.
func AtOnce(name string) bool { return slices.Contains(atOnce, name) }

// NamesPlugins reports whether the value of an option is a list of plugins.
func NamesPlugins(name string) bool {
	switch name {
	case "plugin", "plugins", "need-plugin", "need-plugins":
		return true
	}
	return false
}
