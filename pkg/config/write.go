package config

import (
	"io"
	"strings"
)

// Write prints options as an ini file that means the same to uWSGI and to us, as
// long as no value has blanks around it or a line end in it.
func Write(w io.Writer, section string, settings []Setting) error {
	lines := make([]line, 0, len(settings))
	for _, s := range settings {
		lines = append(lines, line{section: section, key: s.Name, value: strings.ReplaceAll(s.Value, "%", "%%")})
	}
	_, err := io.WriteString(w, unlex(lines))
	return err
}

// unlex makes the text that lex takes apart.
func unlex(lines []line) string {
	var b strings.Builder
	section := ""
	for _, l := range lines {
		if l.section != section {
			section = l.section
			b.WriteString("[" + section + "]\n")
		}
		b.WriteString(l.key + " = " + l.value + "\n")
	}
	return b.String()
}
