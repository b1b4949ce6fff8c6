package config

import (
	"slices"
	"strings"
)

// IsEmperors reports whether a file looks like the emperor's own, not like a
// vassal's: it says what to watch, or is called emperor.ini.
func IsEmperors(name string, data []byte) bool {
	if base := name[strings.LastIndexByte(name, '/')+1:]; base == "emperor.ini" {
		return true
	}
	section := ""
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]")
		}
		key, _, ok := strings.Cut(line, "=")
		if ok && strings.TrimRight(key, " \t") == "emperor" && slices.Contains([]string{"uwsgi", "emperor"}, section) {
			return true
		}
	}
	return false
}
