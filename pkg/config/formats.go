package config

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The formats beside ini carry the same options; each reader gives them as
// lines. Magic variables were replaced in the text before.

// yaml takes the scalars and sequences under the key that is asked for. As in
// uWSGI, keys may repeat, a sequence repeats its key, and what is nested deeper
// counts as if it were not.
func (r *reader) yaml(path, text, section string) (lines []line, ok bool) {
	r.at = Origin{File: path}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		r.problem("", strings.TrimPrefix(err.Error(), "yaml: "), "")
		return nil, false
	}
	if len(doc.Content) == 1 && doc.Content[0].Kind == yaml.MappingNode {
		pairs := doc.Content[0].Content
		for i := 0; i+1 < len(pairs); i += 2 {
			if r.asked(pairs[i].Value, section) {
				lines = flatten(lines, pairs[i].Value, pairs[i+1], 0)
				ok = true
			}
		}
	}
	if !ok {
		r.warnings.add(r.at, "", fmt.Sprintf("there is no key %q", section), "options stand under uwsgi:")
	}
	return lines, ok
}

// flatten gives the options below a node.
func flatten(lines []line, key string, n *yaml.Node, depth int) []line {
	if depth > maxDepth || len(lines) > maxEntries {
		return lines
	}
	switch n.Kind {
	case yaml.ScalarNode:
		return append(lines, line{key: key, value: n.Value, number: n.Line})
	case yaml.AliasNode:
		return flatten(lines, key, n.Alias, depth+1)
	case yaml.SequenceNode:
		for _, item := range n.Content {
			lines = flatten(lines, key, item, depth+1)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			lines = flatten(lines, n.Content[i].Value, n.Content[i+1], depth+1)
		}
	}
	return lines
}

// json takes the members of the object that is asked for, in their order: true
// is 1, false and null are 0, an array repeats its key, and objects inside are
// left out.
func (r *reader) json(path, text, section string) (lines []line, ok bool) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	err := members(d, func(key string) error {
		if !r.asked(key, section) {
			return skip(d)
		}
		ok = true
		return members(d, func(key string) error {
			number := 1 + strings.Count(text[:d.InputOffset()], "\n")
			return values(d, func(v string) { lines = append(lines, line{key: key, value: v, number: number}) })
		})
	})
	r.at = Origin{path, 1 + strings.Count(text[:d.InputOffset()], "\n")}
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

// values gives the values that stand for a key.
func values(d *json.Decoder, give func(string)) error {
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return err
	}
	if raw[0] != '[' {
		return scalar(raw, give)
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return err
	}
	for _, item := range items {
		if err := scalar(item, give); err != nil {
			return err
		}
	}
	return nil
}

func scalar(raw json.RawMessage, give func(string)) error {
	switch raw[0] {
	case '{', '[':
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

// element is an element of an XML file as far as it matters.
type element struct {
	name, id, mount, text string
	number                int
	nested                bool // an element comes before any text
	inner                 []element
}

// app is the mount that an element <app> stands for.
func (e element) app() string {
	if len(e.inner) > 0 {
		e.text = e.inner[0].text
	}
	if e.mount == "" {
		return e.text
	}
	return e.mount + "=" + e.text
}

// xml takes the elements of <uwsgi>, which is the root or in it, the first one
// that has no id or the one asked for. An empty element means 1.
func (r *reader) xml(path, text, section string) (lines []line, ok bool) {
	d := xml.NewDecoder(strings.NewReader(text))
	d.Strict = true
	root, err := readElement(d)
	if err != nil {
		line, _ := d.InputPos()
		r.problems.add(Origin{path, line}, "", "cannot parse XML: "+err.Error(), "")
		return nil, false
	}
	found := root.name == "uwsgi"
	for i := 0; i < len(root.inner) && !found; i++ {
		if c := root.inner[i]; c.name == "uwsgi" && (section == "" || c.id == "" || c.id == section) {
			root, found = c, true
		}
	}
	if !found {
		r.problems.add(Origin{File: path}, "", "there is no such element <uwsgi>", "")
		return nil, false
	}
	for _, e := range root.inner {
		switch {
		case e.nested && e.name == "app":
			continue
		case e.nested:
			r.problems.add(Origin{path, e.number}, e.name, "there is an element in the element", "an option is a text")
			continue
		case e.name == "app":
			lines = append(lines, line{key: "mount", value: e.app(), number: e.number})
			e.text = ""
		case e.text == "":
			e.text = "1"
		}
		lines = append(lines, line{key: e.name, value: e.text, number: e.number})
	}
	return lines, true
}

// readElement reads the next element with what is in it, three levels deep: what
// is below an option does not matter. Its text is the one before any element
// inside it.
func readElement(d *xml.Decoder) (element, error) {
	stack := []element{{}}
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return element{}, errors.New("there is no element")
		} else if err != nil {
			return element{}, err
		}
		top := &stack[len(stack)-1]
		switch t := t.(type) {
		case xml.StartElement:
			if len(stack) > maxDepth {
				return element{}, fmt.Errorf("elements are more than %d deep", maxDepth)
			}
			top.nested = top.nested || top.text == ""
			e := element{name: t.Name.Local}
			e.number, _ = d.InputPos()
			for _, a := range t.Attr {
				switch a.Name.Local {
				case "id":
					e.id = a.Value
				case "mountpoint", "domain":
					e.mount = a.Value
				}
			}
			stack = append(stack, e)
		case xml.CharData:
			if len(top.inner) == 0 {
				top.text += string(t)
			}
		case xml.EndElement:
			done := *top
			stack = stack[:len(stack)-1]
			if len(stack) == 1 {
				return done, nil
			}
			stack[len(stack)-1].inner = append(stack[len(stack)-1].inner, done)
		}
	}
}
