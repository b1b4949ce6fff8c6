package config

import (
	"cmp"
	"slices"
	"strings"
)

// IsEmperors reports whether a file is probably the emperor's own rather than a vassal's: it
// names a directory to watch, or it is called emperor.ini.
func IsEmperors(name string, data []byte) bool {
	return name[strings.LastIndexByte(name, '/')+1:] == "emperor.ini" || watches(data) != ""
}

// watches returns the first directory to watch in a file in the ini format.
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
