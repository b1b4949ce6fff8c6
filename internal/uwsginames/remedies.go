package uwsginames

import (
	_ "embed" // for the remedies
	"strings"
)

// Options of uWSGI without effect here, by their remedies. The text says how it is written; it
// is searched in place, so that it costs nothing until it is used.
//
//go:embed remedies.txt
var uwsgiRemedies string

// Remedies yields each name in the text, or the beginning of names and a star, with its
// remedy.
func Remedies(yield func(name, remedy string) bool) {
	remedy := ""
	for line := range strings.Lines(uwsgiRemedies) {
		switch text := strings.TrimSpace(line); {
		case text == "", text[0] == '#':
		case line[0] != ' ':
			remedy = text
		default:
			for name := range strings.FieldsSeq(text) {
				if !yield(name, remedy) {
					return
				}
			}
		}
	}
}

// Remedy returns the remedy for an option of uWSGI that has no effect here; "" for other keys.
func Remedy(key string) (remedy string) {
	for name, r := range Remedies {
		beginning, more := strings.CutSuffix(name, "*")
		switch {
		case name == key:
			return r
		case more && strings.HasPrefix(key, beginning):
			remedy = r
		}
	}
	return remedy
}
