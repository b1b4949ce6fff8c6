package dialect

import (
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/problem"
)

// Limits of a configuration. uWSGI has none and crashes or loops instead.
const (
	// MaxFile is the size of the largest configuration, in bytes, before and after magic
	// variables are expanded.
	MaxFile = 2 << 20
	// maxLine is the longest line, and the longest value after expansion.
	maxLine = 1 << 20
	// maxEntries is the number of options of all sources together.
	maxEntries = 10_000
	// maxDepth is the nesting limit of includes.
	maxDepth = 64
)

// line is a line of an ini file with content.
type line struct {
	section    string
	key, value string
	number     int // in the file, from 1
	// listed: it is one of several in a list. nests: it has no value but contains options
	// itself. Formats beside ini have such lines.
	listed, nests bool
}

// Blanks are the bytes around a key or a value that are not part of it.
const Blanks = " \t\r"

// lex splits text into lines, as uWSGI's ini reader does (core/ini.c). A line ends at LF, and blanks around it
// are removed. `;` and `#` start a comment only at its beginning. The first `=` ends the key, and a line
// without one is a key with an empty value. Keys before any section have the section "". uWSGI removes the
// last byte of a header as its bracket; here a missing bracket is a mistake, and a comment may follow the
// bracket. A NUL byte, which hides the rest of a line from uWSGI, is a mistake here: the rest may be a
// confinement.
//
// numbers maps each line of the text to a line of the file; nil: they are the same.
func lex(file, text string, numbers []int) (lines []line, sections []string, problems problem.Problems) {
	section := ""
	lines = make([]line, 0, 1+strings.Count(text, "\n"))
	for number := 1; text != ""; number++ {
		var raw string
		raw, text, _ = strings.Cut(text, "\n")
		origin := problem.Origin{File: file, Line: number}
		if numbers != nil {
			origin.Line = numbers[number-1]
		}
		if len(raw) > maxLine {
			problems.Add(origin, "", "the line is longer than 1 MiB", "is this the right file?")
			continue
		}
		if strings.IndexByte(raw, 0) >= 0 {
			problems.Add(origin, "", "there is a NUL byte", "this is not a text file")
			continue
		}
		s := strings.Trim(raw, Blanks)
		switch {
		case s == "" || s[0] == ';' || s[0] == '#':
		case s[0] == '[':
			name, ok := header(s)
			switch {
			case ok:
			case strings.Contains(s, "]"):
				problems.Add(origin, "", "there is text behind the section header", "a comment begins with ; or #")
			default:
				problems.Add(origin, "", "the section header has no closing bracket", "write [uwsgi]")
			}
			section = name
			if !slices.Contains(sections, name) {
				sections = append(sections, name)
			}
		default:
			key, value, _ := strings.Cut(s, "=")
			lines = append(lines, line{section: section, key: strings.TrimRight(key, Blanks), value: strings.TrimLeft(value, Blanks), number: origin.Line})
		}
	}
	return lines, sections, problems
}

// header parses `[name]`, with or without a comment after it.
func header(s string) (name string, ok bool) {
	name, rest, ok := strings.Cut(s[1:], "]")
	rest = strings.TrimLeft(rest, Blanks)
	if !ok || rest == "" || rest[0] == ';' || rest[0] == '#' {
		return name, ok
	}
	return s[1 : len(s)-1], s[len(s)-1] == ']' // a bracket inside the name
}
