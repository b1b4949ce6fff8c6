package dialect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/emperor-go/emperor/internal/dialect/foreign"
	"github.com/emperor-go/emperor/internal/problem"
)

// The formats beside ini carry the same options; each reader returns them as lines. Magic
// variables were expanded in the text before.

// foreign returns the lines of a format that this package cannot parse itself: in YAML the lines
// under each key of the requested name, in XML the lines of the first <uwsgi> without an id or
// with the requested one.
func (s *sectionReader) foreign(text string) (lines []line, ok bool) {
	s.reader.position.at = problem.Origin{File: s.path}
	if s.reader.permissions.Foreign == nil {
		s.reader.problem("", "this program cannot read "+strings.ToUpper(string(s.kind)), "")
		return nil, false
	}
	blocks, err := s.reader.permissions.Foreign(string(s.kind), text)
	if err != nil {
		if e, ok := errors.AsType[*problem.Problem](err); ok {
			s.reader.position.at.Line = s.fileLine(e.Origin.Line)
		}
		wrong := problem.Of(err)
		s.reader.problem("", wrong.What, wrong.Hint)
		return nil, false
	}
	var found []string
	var stray *foreign.Line
	for _, b := range blocks {
		first := s.kind == formatXML && (s.section == "" || b.Name == "" || b.Name == s.section)
		if !first && (s.kind == formatXML || !s.asked(b.Name)) {
			found = append(found, b.Name)
			if s.kind == formatYAML && stray == nil {
				stray = s.strayOption(b)
			}
			continue
		}
		ok = true
		for _, l := range b.Lines {
			lines = append(lines, line{key: l.Key, value: l.Value, number: l.Number, listed: l.Listed, nests: l.Nests})
		}
		s.inside(b.Inside)
		if first {
			break
		}
	}
	switch {
	case stray != nil:
		s.reader.outcome.problems = append(s.reader.outcome.problems, problem.Problem{
			Origin: problem.Origin{File: s.path, Line: s.fileLine(stray.Number)}, Key: stray.Key,
			What: "it does not stand under " + s.section + ":, so that it counts for nothing", Hint: "write " + s.section + ": above it, and indent it by two blanks",
			Meant: problem.Any,
		})
	case ok:
	case s.kind == formatXML:
		s.reader.problem("", "there is no such element <uwsgi>", "")
	default:
		s.reader.outcome.empty = true
		what := fmt.Sprintf("there is no key %q", s.section)
		if len(found) == 1 {
			what += fmt.Sprintf(", but %q", found[0])
		}
		s.reader.outcome.warnings = append(s.reader.outcome.warnings,
			problem.Problem{Origin: s.reader.position.at, What: what, Hint: "options stand under " + s.section + ":", Meant: problem.Any})
	}
	return lines, ok
}

// strayOption returns the option that the key of a block is when it has a value or a list of
// values, and not options. Nil: it is none.
func (s *sectionReader) strayOption(b foreign.Block) *foreign.Line {
	if len(b.Lines) == 0 || b.Lines[0].Key != b.Name || b.Lines[0].Nests || !s.reader.options.Known(b.Name) {
		return nil
	}
	return &b.Lines[0]
}

// inside keeps keys of nested mappings for the caller: one of them may sound like confinement.
func (s *sectionReader) inside(keys []foreign.Line) {
	for _, k := range keys {
		s.reader.outcome.nested = append(s.reader.outcome.nested, Entry{Key: k.Key, Value: k.Value, Origin: problem.Origin{File: s.path, Line: k.Number}})
	}
}

// json returns the members of the requested object, in order: true is 1, false and null are 0,
// an array repeats its key, and nested objects are left out.
func (s *sectionReader) json(text string) (lines []line, ok bool) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var inside []foreign.Line
	err := members(d, func(key string) error {
		if !s.asked(key) {
			return skip(d)
		}
		ok = true
		return members(d, func(key string) error {
			l := line{key: key, number: 1 + strings.Count(text[:d.InputOffset()], "\n")}
			return values(d, l, func(l line) { lines = append(lines, l) }, func(raw json.RawMessage) error {
				object := json.NewDecoder(bytes.NewReader(raw))
				object.UseNumber()
				return objects(object, key, func(path string) {
					inside = append(inside, foreign.Line{Key: path, Number: s.fileLine(l.number)})
				})
			})
		})
	})
	s.inside(inside)
	s.reader.position.at = problem.Origin{File: s.path}
	switch {
	case err != nil:
		var what, hint string
		s.reader.position.at.Line, what, hint = brokenJSON(text, err)
		s.reader.position.at.Line = s.fileLine(s.reader.position.at.Line)
		s.reader.problem("", "cannot parse JSON: "+what, hint)
		return nil, false
	case !ok:
		s.reader.problem("", fmt.Sprintf("there is no object %q", s.section), `options stand in {"uwsgi": {…}}`)
	}
	return lines, ok
}

// members calls do for each member of the next object.
func members(d *json.Decoder, do func(key string) error) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	if t != json.Delim('{') {
		return errNoObject
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		if err := do(t.(string)); err != nil { // the decoder permits only strings as keys
			return err
		}
	}
	_, err = d.Token()
	return err
}

func skip(d *json.Decoder) error {
	var raw json.RawMessage
	return d.Decode(&raw)
}

// values calls give for each value of a key, and object for a nested object or array as well.
func values(d *json.Decoder, l line, give func(line), object func(json.RawMessage) error) error {
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return err
	}
	items := []json.RawMessage{raw}
	if raw[0] == '[' {
		l.listed = true
		if err := json.Unmarshal(raw, &items); err != nil {
			return err
		}
	}
	for _, item := range items {
		if err := scalar(item, l, give); err != nil {
			return err
		}
		if item[0] != '{' && item[0] != '[' {
			continue
		}
		if err := object(item); err != nil {
			return err
		}
	}
	return nil
}

// objects calls give with the path of each key in the next value.
func objects(d *json.Decoder, path string, give func(path string)) error {
	t, err := d.Token()
	if err != nil || t != json.Delim('{') && t != json.Delim('[') {
		return err
	}
	for d.More() {
		below := path
		if t == json.Delim('{') {
			key, err := d.Token()
			if err != nil {
				return err
			}
			below = foreign.Below(path, key.(string)) // the decoder permits only strings as keys
			give(below)
		}
		if err := objects(d, below, give); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

func scalar(raw json.RawMessage, l line, give func(line)) error {
	switch raw[0] {
	case '{', '[':
		l.nests = true
	case 't':
		l.value = "1"
	case 'f', 'n':
		l.value = "0"
	case '"':
		if err := json.Unmarshal(raw, &l.value); err != nil {
			return err
		}
	default:
		l.value = string(bytes.TrimSpace(raw))
	}
	give(l)
	return nil
}

// brokenJSON returns where a text is not valid JSON, and why.
func brokenJSON(text string, err error) (number int, what, hint string) {
	if errors.Is(err, errNoObject) {
		return 1, err.Error(), `options stand in {"uwsgi": {…}}`
	}
	var all any
	at := len(text)
	e, ok := errors.AsType[*json.SyntaxError](json.Unmarshal([]byte(text), &all))
	if ok {
		err = e
		at = min(max(int(e.Offset)-1, 0), len(text))
	}
	before := strings.TrimRight(text[:at], " \t\r\n")
	next, _ := utf8.DecodeRuneInString(text[at:])
	switch what = err.Error(); {
	case at == len(text) || strings.HasPrefix(what, "unexpected end"):
		what, hint = "the text ends too early", "a quote, a ] or a } is not closed"
	case (next == '}' || next == ']') && strings.HasSuffix(before, ","):
		what, hint = fmt.Sprintf("there is a comma before the %c", next), "drop it"
	case strings.Contains(what, "after object key:value"), strings.Contains(what, "after array element"):
		what, hint = fmt.Sprintf("a comma is missing before the %c", next), ""
	case strings.HasSuffix(what, "after object key"):
		what, hint = "a colon is missing behind the key", `"KEY": "VALUE"`
	case next == '\'':
		what, hint = "strings stand in double quotes", ""
	case next == '/' || next == '#':
		what, hint = "JSON has no comments", ""
	case strings.Contains(what, "in string literal"):
		what, hint = "a string ends on its line", "a quote is not closed"
	case strings.Contains(what, "beginning of value"):
		hint = "texts stand in double quotes"
	}
	column := 1 + utf8.RuneCountInString(text[strings.LastIndexByte(text[:at], '\n')+1:at])
	return 1 + strings.Count(text[:at], "\n"), fmt.Sprintf("column %d: %s", column, what), hint
}

var errNoObject = errors.New("the file is no object")
