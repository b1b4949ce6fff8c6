package dialect

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/emperor-go/emperor/internal/problem"
)

// stray is a percent sign before a byte that names no magic variable.
type stray struct {
	line int
	key  string // of the line, if it is known
	next rune
	lost string // an option on the next line, which is lost
}

// magicNames are all bytes with a meaning after a percent sign.
const magicNames = upper + "OPSDNECXIJ" + "0123456789" + "bgGhktTuUvV" + "%(["

// strayAt reports whether the byte at an index of a text, which follows a percent sign, has no
// meaning. The text begins with the line. A comment may contain any sign except at its end,
// where it joins the next line.
func strayAt(text string, at int) (s stray, found bool) {
	if strings.IndexByte(magicNames, text[at]) >= 0 {
		return s, false
	}
	s.next, _ = utf8.DecodeRuneInString(text[at:])
	line := strings.TrimLeft(text[:at-1], Blanks)
	if s.next != '\n' && line != "" && (line[0] == ';' || line[0] == '#') {
		return s, false
	}
	if key, _, ok := strings.Cut(line, "="); ok {
		s.key = strings.TrimRight(key, Blanks)
	}
	if s.next == '\n' {
		next, _, _ := strings.Cut(text[at+1:], "\n")
		s.lost, _, _ = strings.Cut(strings.TrimLeft(next, Blanks), "=")
		s.lost = strings.TrimRight(s.lost, Blanks)
	}
	return s, true
}

// tellStrays reports such signs. One at the end of a line joins the next line to it: when that
// is an option it is a mistake, because the option may confine a vassal.
func (s *sectionReader) tellStrays(strays []stray) {
	for _, sign := range strays {
		origin := problem.Origin{File: s.path, Line: sign.line}
		const hint = "%% is a percent sign"
		switch {
		case sign.next == '\n' && sign.lost != "" && s.reader.options.Known(sign.lost):
			s.reader.outcome.problems.Add(origin, sign.key, "the % at the end of the line joins the next line to it: "+sign.lost+" counts for nothing", hint)
		case sign.next == '\n':
			s.reader.outcome.warnings.Add(origin, sign.key, "the % at the end of the line joins the next line to it", hint)
		case unicode.IsLetter(sign.next):
			s.reader.outcome.warnings.Add(origin, sign.key, fmt.Sprintf("there is no magic variable %%%c: both characters are left out", sign.next), hint)
		default:
			s.reader.outcome.warnings.Add(origin, sign.key, fmt.Sprintf("a %% and the %q behind it are left out", sign.next), hint)
		}
	}
}
