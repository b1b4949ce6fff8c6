package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/emperor-go/emperor/pkg/config/foreign"
)

// The formats beside ini carry the same options; each reader gives them as
// lines. Magic variables were replaced in the text before.

// foreign takes the lines of a format that this package cannot read itself: in
// YAML those under each key of the name that is asked for, in XML those of the
// first <uwsgi> that has no id or the one asked for.
func (r *reader) foreign(kind format, path, text, section string) (lines []line, ok bool) {
	r.at = Origin{File: path}
	if r.access.Foreign == nil {
		r.problem("", "this program cannot read "+strings.ToUpper(string(kind)), "")
		return nil, false
	}
	blocks, err := r.access.Foreign(string(kind), text)
	if err != nil {
		if e, ok := errors.AsType[*foreign.Error](err); ok {
			r.at.Line = e.Line
		}
		r.problem("", err.Error(), "")
		return nil, false
	}
	for _, b := range blocks {
		first := kind == formatXML && (section == "" || b.Name == "" || b.Name == section)
		if !first && (kind == formatXML || !r.asked(b.Name, section)) {
			continue
		}
		ok = true
		for _, l := range b.Lines {
			lines = append(lines, line{key: l.Key, value: l.Value, number: l.Number})
		}
		r.inside(path, b.Inside)
		if first {
			break
		}
	}
	switch {
	case ok:
	case kind == formatXML:
		r.problem("", "there is no such element <uwsgi>", "")
	default:
		r.warnings.add(r.at, "", fmt.Sprintf("there is no key %q", section), "options stand under uwsgi:")
	}
	return lines, ok
}

// inside makes mistakes of keys of mappings inside that sound like confinement. The value
// of a scalar counts as if it were not inside, so that it is judged with the options.
func (r *reader) inside(path string, keys []foreign.Line) {
	told := map[string]bool{}
	for _, k := range keys {
		key := soundsInside(k.Key)
		last := k.Key[strings.LastIndexByte(k.Key, '.')+1:]
		if key == "" || told[key] || k.Value != "" && sounds(last) {
			continue
		}
		told[key] = true
		r.problems.add(Origin{File: path, Line: k.Number}, key, soundsText, "remove it only if it may run without")
	}
}

// json takes the members of the object that is asked for, in their order: true
// is 1, false and null are 0, an array repeats its key, and objects inside are
// left out.
func (r *reader) json(path, text, section string) (lines []line, ok bool) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var inside []foreign.Line
	err := members(d, func(key string) error {
		if !r.asked(key, section) {
			return skip(d)
		}
		ok = true
		return members(d, func(key string) error {
			number := 1 + strings.Count(text[:d.InputOffset()], "\n")
			return values(d, func(v string) { lines = append(lines, line{key: key, value: v, number: number}) }, func(raw json.RawMessage) error {
				object := json.NewDecoder(bytes.NewReader(raw))
				object.UseNumber()
				return objects(object, key, func(path string) { inside = append(inside, foreign.Line{Key: path, Number: number}) })
			})
		})
	})
	r.inside(path, inside)
	r.at = Origin{File: path, Line: 1 + strings.Count(text[:d.InputOffset()], "\n")}
	switch {
	case err != nil:
		r.problem("", "cannot parse JSON: "+err.Error(), "")
		return nil, false
	case !ok:
		r.at.Line = 0
		r.problem("", fmt.Sprintf("there is no object %q", section), `options stand in {"uwsgi": {…}}`)
	}
	return lines, ok
}

// members calls do for each member of the object that comes next.
func members(d *json.Decoder, do func(key string) error) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	if t != json.Delim('{') {
		return errors.New("an object is missing")
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		if err := do(t.(string)); err != nil { // the decoder lets only strings be keys
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

// values gives the values that stand for a key, and an object or array inside as it is.
func values(d *json.Decoder, give func(string), object func(json.RawMessage) error) error {
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return err
	}
	items := []json.RawMessage{raw}
	if raw[0] == '[' {
		if err := json.Unmarshal(raw, &items); err != nil {
			return err
		}
	}
	for _, item := range items {
		var err error
		switch item[0] {
		case '{', '[':
			err = object(item)
		default:
			err = scalar(item, give)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// objects gives the path of each key in the value that comes next.
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
			below = foreign.Below(path, key.(string)) // the decoder lets only strings be keys
			give(below)
		}
		if err := objects(d, below, give); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

func scalar(raw json.RawMessage, give func(string)) error {
	switch raw[0] {
	case 't':
		give("1")
	case 'f', 'n':
		give("0")
	case '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return err
		}
		give(s)
	default:
		give(string(bytes.TrimSpace(raw)))
	}
	return nil
}
