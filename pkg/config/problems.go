package config

import (
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/suggest"
)

// because turns warnings that explain a missing option into mistakes, and reports whether it
// found any.
func because(problems, warnings *Problems, missing string, beginnings []string) (found bool) {
	*warnings = slices.DeleteFunc(*warnings, func(w Problem) bool {
		if !w.Explains(beginnings) {
			return false
		}
		if w.Key != "" {
			w.What, w.Hint = "an unknown key, and "+missing, suggest.Question("", strings.Fields(w.Meant)...)
		}
		*problems = append(*problems, w)
		found = true
		return true
	})
	return found
}
