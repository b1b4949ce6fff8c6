package config

import (
	"bytes"
	"slices"
	"strings"
)

// line is a line of an ini file that says something.
type line struct {
	section    string
	key, value string
	number     int // in the file, from 1
}

// lex splits text into lines, as uWSGI's ini reader does (core/ini.c): a line
// ends at LF, blanks around it are cut, `;` and `#` start a comment only at its
// beginning, the first `=` ends the key, and a line without one is a key with an
// empty value. Keys before any section have the section "". Where uWSGI takes
// the last byte of a header for its bracket, whatever it is, a missing bracket is
// a problem here, and a comment after the bracket is one.
//
// numbers maps each line of the text to a line of the file; nil: they are the
// same.
func lex(file, text string, numbers []int) (lines []line, sections []string, problems Problems) {
	section := ""
	for i, raw := range strings.Split(text, "\n") {
		number := i + 1
		if numbers != nil {
			number = numbers[i]
		}
		s := strings.Trim(raw, " \t\r")
		switch {
		case s == "" || s[0] == ';' || s[0] == '#':
		case s[0] == '[':
			name, ok := header(s)
			if !ok {
				problems.add(Origin{file, number}, "", "the section header has no closing bracket", "write [uwsgi]")
			}
			section = name
			if !slices.Contains(sections, name) {
				sections = append(sections, name)
			}
		default:
			key, value, _ := strings.Cut(s, "=")
			lines = append(lines, line{section, strings.TrimRight(key, " \t"), strings.TrimLeft(value, " \t"), number})
		}
	}
	return lines, sections, problems
}

// header reads `[name]`, with or without a comment behind it.
func header(s string) (name string, ok bool) {
	name, rest, ok := strings.Cut(s[1:], "]")
	rest = strings.TrimLeft(rest, " \t")
	if !ok || rest == "" || rest[0] == ';' || rest[0] == '#' {
		return name, ok
	}
	return s[1 : len(s)-1], s[len(s)-1] == ']' // a bracket inside the name
}

// textual reports why data cannot be an ini file, or "".
func textual(data []byte) (what, hint string, number int) {
	if len(data) > MaxFile {
		return "the file is larger than 1 MiB", "is this the right file?", 0
	}
	if at := bytes.IndexByte(data, 0); at >= 0 {
		return "there is a NUL byte", "this is not a text file", 1 + bytes.Count(data[:at], []byte("\n"))
	}
	return "", "", 0
}

// MaxFile is the largest configuration file that is read, in bytes.
const MaxFile = 1 << 20
