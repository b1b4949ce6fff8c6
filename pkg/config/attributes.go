package config

import (
	"slices"
	"strings"
)

// Attributes are what the section [emperor] of a vassal's file says to the
// emperor. As in uWSGI it is read as it stands, without magic variables,
// placeholders and includes; of two values the last one counts. It is for ini
// files only.
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

// attributeLines are those of the section, in their order.
func attributeLines(src Source) []line {
	if kind, _ := formatByName(src.Name); kind != formatINI {
		return nil
	}
	lines, _, _ := lex(src.Path, strings.TrimPrefix(string(src.Data), "\ufeff"), nil)
	return slices.DeleteFunc(lines, func(l line) bool { return l.section != "emperor" })
}
