package config

import "github.com/emperor-go/emperor/internal/dialect"

// Attributes returns the section [emperor] of a vassal's file, which is addressed to the emperor.
// As in uWSGI the section is not expanded: it has no magic variables, placeholders or includes.
// The last of several values applies. Only ini files have the section.
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

// attributes returns the lines of the section in order.
func attributes(src Source) []dialect.Entry { return dialect.SectionOf(src, "emperor") }
