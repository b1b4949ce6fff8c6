package dialect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/problem"
)

// sectionReader reads one text, for the options of one section.
type sectionReader struct {
	reader        *Reader
	kind          format
	path, section string
	numbers       []int // the line of the file for each line of the text with expanded magic variables
}

// read converts text to options, in the order of the text.
func (s *sectionReader) read(text string) {
	if s.reader.files.before != "" || s.reader.files.after != "" {
		text = s.reader.files.before + text + s.reader.files.after
	}
	if name := wide(text); name != "" && s.kind != formatYAML { // YAML may be UTF-16
		s.reader.position.at = problem.Origin{File: s.path, Line: 1}
		s.reader.problem("", "the text is "+name, "iconv -f "+name+" -t UTF-8")
		return
	}
	text = withoutMark(text)
	var (
		strays []stray
		lines  []line
		ok     bool
	)
	if text, s.numbers, strays, ok = s.reader.magic.substitute(text); !ok {
		s.reader.limit("", "the file is larger than 2 MiB", "is this the right file?")
		return
	}
	s.tellStrays(strays)
	switch s.kind {
	case formatINI:
		s.ini(text)
		return
	case formatJSON:
		lines, ok = s.json(text)
	default:
		lines, ok = s.foreign(text)
	}
	if !ok {
		return
	}
	nested := false
	for _, l := range lines {
		s.reader.position.at = problem.Origin{File: s.path, Line: s.fileLine(l.number)}
		if strings.ContainsRune(l.key+l.value, 0) {
			s.reader.problem("", "there is a NUL byte", "no option can have one")
			continue
		}
		key, _ := unmark(l.key)
		switch option := s.reader.options.Known(key); {
		case l.nests:
			nested = nested || option
			s.nesting(l)
		case nested && !option: // one of the keys inside of an option, which is the mistake
		default:
			s.reader.addLine(l)
		}
	}
}

// withoutMark removes a byte order mark.
func withoutMark(text string) string { return strings.TrimPrefix(text, "\ufeff") }

// wide returns the encoding of a text whose characters have two bytes each, with or without a
// byte order mark. Empty: the text has another encoding.
func wide(text string) string {
	switch {
	case strings.HasPrefix(text, "\xff\xfe"):
		return "UTF-16"
	case strings.HasPrefix(text, "\xfe\xff"):
		return "UTF-16"
	case len(text) < 4 || len(text)%2 != 0:
		return ""
	case text[0] == 0 && text[2] == 0 && text[1] != 0 && text[3] != 0:
		return "UTF-16BE"
	case text[1] == 0 && text[3] == 0 && text[0] != 0 && text[2] != 0:
		return "UTF-16LE"
	}
	return ""
}

// fileLine returns the line of the file for a line of its text, see substitute.
func (s *sectionReader) fileLine(number int) int {
	if number > 0 && number <= len(s.numbers) {
		return s.numbers[number-1]
	}
	return number
}

// nesting reports a key with options in it, when the key is itself an option with a value.
func (s *sectionReader) nesting(l line) {
	if key, _ := unmark(l.key); s.reader.options.Known(key) {
		s.reader.problem(key, "there are keys in it, where a value or a list of values is expected", nestedForm(s.kind))
	} else if s.kind == formatJSON {
		s.reader.outcome.warnings.Add(s.reader.position.at, key, "its options are left out", "options stand in one object")
	}
}

// nestedForm returns the form of such an option.
func nestedForm(kind format) string {
	switch kind {
	case formatYAML:
		return "such as env: [A=1, B=2]"
	case formatJSON:
		return `such as "env": ["A=1", "B=2"]`
	}
	return ""
}

// ini takes the lines of a section. It warns about a section without lines, and about lines
// before the first section, which have no effect; options there are a mistake.
func (s *sectionReader) ini(text string) {
	lines, found, problems := lex(s.path, text, s.numbers)
	s.reader.outcome.problems = append(s.reader.outcome.problems, problems...)
	any := false
	s.reader.list.entries = slices.Grow(s.reader.list.entries, len(lines))
	for _, l := range lines {
		if s.asked(l.section) {
			any = true
			s.reader.position.at = problem.Origin{File: s.path, Line: l.number}
			s.reader.addLine(l)
		}
	}
	if len(problems) > 0 {
		return
	}
	i := slices.IndexFunc(lines, func(l line) bool { return l.section == "" })
	switch {
	case i >= 0 && !slices.Contains(found, ""):
		s.reader.outcome.empty = s.reader.outcome.empty || !any
		what, hint := headless(lines[i], s.titles()[0])
		p := problem.Problem{Origin: problem.Origin{File: s.path, Line: lines[i].number}, What: what, Hint: hint, Meant: problem.Any}
		if slices.ContainsFunc(lines, func(l line) bool { return l.section == "" && s.reader.options.Known(l.key) }) {
			s.reader.outcome.problems = append(s.reader.outcome.problems, p)
		} else {
			s.reader.outcome.warnings = append(s.reader.outcome.warnings, p)
		}
	case !any:
		s.reader.outcome.empty = true
		s.reader.outcome.warnings = append(s.reader.outcome.warnings, problem.Problem{
			Origin: problem.Origin{File: s.path}, What: s.nothing(found), Hint: "options stand under " + strings.Join(s.titles(), " or "), Meant: problem.Any,
		})
	}
}

// headless explains a file whose first line is in no section.
func headless(first line, title string) (what, hint string) {
	text := first.key
	switch {
	case strings.HasPrefix(text, "{"):
		return "this is JSON in a file that is read as ini", "mv FILE FILE.json"
	case strings.HasPrefix(text, "<"):
		return "this is XML in a file that is read as ini", "mv FILE FILE.xml"
	case first.value == "" && (text == "uwsgi:" || text == "---" || strings.HasPrefix(text, "- ")):
		return "this is YAML in a file that is read as ini", "mv FILE FILE.yaml"
	}
	return "there is no section header above this line, so that it counts for nothing", "write " + title + " above it"
}

// nothing returns the reason why a section has no option.
func (s *sectionReader) nothing(found []string) string {
	title := s.titles()[0]
	for i := range found {
		found[i], _ = unmark(found[i])
		if s.asked(found[i]) {
			return "there is nothing under [" + found[i] + "]"
		}
		found[i] = "[" + found[i] + "]"
	}
	switch len(found) {
	case 0:
		return "the file is empty: there is no section " + title
	case 1:
		return fmt.Sprintf("there is no section %s, but %s", title, found[0])
	}
	return fmt.Sprintf("there is no section %s, but %s and %s", title, strings.Join(found[:len(found)-1], ", "), found[len(found)-1])
}

// titles are the headers for options of the section.
func (s *sectionReader) titles() (list []string) {
	list = []string{"[" + s.section + "]"}
	if s.section == "uwsgi" {
		for _, name := range s.reader.sections {
			list = append(list, "["+name+"]")
		}
	}
	return list
}

// asked reports whether the section of a name is the requested one.
func (s *sectionReader) asked(name string) bool {
	name, _ = unmark(name)
	return name == s.section || s.section == "uwsgi" && slices.Contains(s.reader.sections, name)
}
