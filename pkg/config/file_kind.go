package config

import (
	"cmp"
	"slices"
	"strings"
)

// IsEmperors reports whether a file looks like the emperor's own, not like a vassal's: it sets
// a place to watch, or its name is emperor.ini.
func IsEmperors(name string, data []byte) bool {
	return name[strings.LastIndexByte(name, '/')+1:] == "emperor.ini" || watches(data) != ""
}

// watches returns the first place to watch in a file in the ini format.
func watches(data []byte) (place string) {
	section := ""
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]")
		}
		key, value, ok := strings.Cut(line, "=")
		if ok && strings.TrimRight(key, " \t") == "emperor" && slices.Contains([]string{"uwsgi", "emperor"}, section) {
			return cmp.Or(strings.TrimSpace(value), "…")
		}
	}
	return ""
}
