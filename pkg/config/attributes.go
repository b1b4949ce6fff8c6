package config

import "github.com/emperor-go/emperor/internal/dialect"

// Attributes returns the section [emperor] of a vassal's file, which is for the emperor. As in
// uWSGI it is not expanded: no magic variables, placeholders or includes. Of two values the
// last one counts. It is for ini files only.
func Attributes(src Source) map[string]string {
	var found map[string]string
	for _, e := range attributes(src) {
		if found == nil {
			found = map[string]string{}
		}
		found[e.Key] = e.Value
	}
	return found
}

// attributes returns the lines of the section, in order.
func attributes(src Source) []dialect.Entry { return dialect.SectionOf(src, "emperor") }
