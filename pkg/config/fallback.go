package config

import (
	"slices"

	"github.com/emperor-go/emperor/internal/dialect"
)

// Fallback returns the last value of fallback-config, also when the rest of the configuration is
// invalid. Empty: none. It ignores lines that a tenant may not write.
func (l Loader) Fallback(src Source) string { return fallback(l.read(src)) }

// FallbackOfArgs is Fallback for a vassal's command line. It returns nothing when the command
// line itself is invalid: the operator who typed it sees the error.
func (l Loader) FallbackOfArgs(args []string) string {
	line := commandLine[Vassal]{program: "vassal", table: vassalOptions, permissions: l.Permissions}
	if line.parse(args) != nil || slices.ContainsFunc(line.Mistakes(), func(p Problem) bool { return p.Origin == Origin{} }) {
		return ""
	}
	for _, file := range line.bare {
		line.Include(file)
	}
	return fallback(line.Finish())
}

func fallback(r dialect.Result) (file string) {
	for _, e := range r.Entries {
		if e.Key == "fallback-config" && !e.Tenant {
			file = e.Value
		}
	}
	return file
}
