package config

import (
	"slices"
	"strings"
)

// Attributes returns the section [emperor] of a vassal's file, which is for the emperor. As in
// uWSGI it is not expanded: no magic variables, placeholders or includes. Of two values the
// last one counts. It is for ini files only.
func Attributes(src Source) map[string]string {
	var found map[string]string
	for _, l := range attributeLines(src) {
		if found == nil {
			found = map[string]string{}
		}
		found[l.key] = l.value
	}
	return found
}

// attributeLines returns the lines of the section, in order.
func attributeLines(src Source) []line {
	if kind, _ := formatByName(src.Name); kind != formatINI {
		return nil
	}
	lines, _, _ := lex(src.Path, strings.TrimPrefix(string(src.Data), "\ufeff"), nil)
	return slices.DeleteFunc(lines, func(l line) bool { return l.section != "emperor" })
}
