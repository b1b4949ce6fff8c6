package uwsginames

import (
	_ "embed" // for the remedies
	"strings"
)

// Options of uWSGI without effect here, by their remedies. The text shows the replacement; it
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
	for at := 0; key != ""; {
		next := strings.Index(uwsgiRemedies[at:], key)
		if next < 0 {
			break
		}
		at += next
		if name, indented := wordAt(at); indented && name == key {
			return remedyOf(at)
		}
		at += len(key)
	}
	for at := range uwsgiRemedies {
		if uwsgiRemedies[at] != '*' {
			continue
		}
		if name, indented := wordAt(at); indented && strings.HasPrefix(key, strings.TrimSuffix(name, "*")) {
			remedy = remedyOf(at)
		}
	}
	return remedy
}

// wordAt returns the word around a byte of the text, and whether its line names options.
func wordAt(at int) (word string, indented bool) {
	begin := strings.LastIndexAny(uwsgiRemedies[:at], " \n") + 1
	end := strings.IndexAny(uwsgiRemedies[at:], " \n")
	line := strings.LastIndexByte(uwsgiRemedies[:at], '\n') + 1
	return uwsgiRemedies[begin : at+end], uwsgiRemedies[line] == ' '
}

// remedyOf returns the line without indentation before a line of options.
func remedyOf(at int) string {
	text := uwsgiRemedies[:at]
	for {
		end := strings.LastIndexByte(text, '\n')
		text = text[:end]
		if line := text[strings.LastIndexByte(text, '\n')+1:]; line != "" && line[0] != ' ' && line[0] != '#' {
			return line
		}
	}
}
