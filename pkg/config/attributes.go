package config

import "strings"

// Attributes are what the section [emperor] of a vassal's file says to the
// emperor. As in uWSGI it is read as it stands, without magic variables,
// placeholders and includes; of two values the last one counts. It is for ini
// files only.
func Attributes(src Source) map[string]string {
	if kind, _ := formatByName(src.Name); kind != formatINI {
		return nil
	}
	var found map[string]string
	lines, _, _ := lex(src.Path, strings.TrimPrefix(string(src.Data), "\ufeff"), nil)
	for _, l := range lines {
		if l.section != "emperor" {
			continue
		}
		if found == nil {
			found = map[string]string{}
		}
		found[l.key] = l.value
	}
	return found
}
