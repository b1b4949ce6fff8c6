package parser

import (
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/emperor-go/emperor/internal/dialect/foreign"
	"github.com/emperor-go/emperor/internal/problem"
)

// maxVisits limits the visited nodes, which anchors can multiply.
const maxVisits = 100_000

// parseYAML returns the scalars and sequences under each key. As in uWSGI, keys may repeat, a
// sequence repeats its key, and deeper nesting is flattened.
func parseYAML(text string) ([]foreign.Block, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return nil, placed(text, messageOf(err))
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, nil
	}
	var blocks []foreign.Block
	pairs, visits := doc.Content[0].Content, 0
	for i := 0; i+1 < len(pairs); i += 2 {
		w := walk{visits: visits}
		w.add(pairs[i].Value, pairs[i+1], 0, "")
		if visits = w.visits; visits > maxVisits {
			return nil, &problem.Problem{Origin: problem.Origin{Line: pairs[i].Line}, What: "there are too many values, or anchors in anchors"}
		}
		blocks = append(blocks, foreign.Block{Name: pairs[i].Value, Lines: w.lines, Inside: w.inside})
	}
	return blocks, nil
}

// messageOf returns an error of the YAML library without its name.
func messageOf(err error) string { return strings.TrimPrefix(err.Error(), "yaml: ") }

// found returns the number of the line at which the library finds a mistake: its message names
// the line before the surrounding block, or none. Text up to the line in front of the mistake
// has none, or another one.
func found(text, what string) int {
	lines := strings.SplitAfter(text, "\n")
	return 1 + sort.Search(len(lines)-1, func(i int) bool {
		var doc yaml.Node
		err := yaml.Unmarshal([]byte(strings.Join(lines[:i+1], "")), &doc)
		return err != nil && strings.HasSuffix(messageOf(err), what)
	})
}

// placed extracts the line from a message, as `line 3: what`, and adds a remedy if it knows
// one.
func placed(text, message string) *problem.Problem {
	e := &problem.Problem{}
	if number, what, ok := strings.Cut(strings.TrimPrefix(message, "line "), ": "); ok {
		if n, err := strconv.Atoi(number); err == nil {
			e.Origin.Line, message = n, what
		}
	}
	switch {
	case strings.HasPrefix(message, "did not find expected ','"):
		e.Origin.Line++ // the library counts the line of the bracket from zero
	case strings.HasPrefix(message, "did not find expected"), strings.HasPrefix(message, "unknown anchor"):
		e.Origin.Line = found(text, message)
	}
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if at := len(l) - len(strings.TrimLeft(l, " \t")); strings.Contains(l[:at], "\t") && i+1 >= e.Origin.Line {
			return &problem.Problem{Origin: problem.Origin{Line: i + 1}, What: "cannot parse YAML: there is a tab in the indentation", Hint: "indent by blanks"}
		}
	}
	e.What = "cannot parse YAML: " + message
	switch {
	case strings.Contains(message, "mapping values are not allowed"):
		e.Hint = `indent the line as its neighbours; a value with ": " in it stands in quotes`
	case strings.Contains(message, "did not find expected key"), strings.Contains(message, "did not find expected '-' indicator"),
		strings.Contains(message, "could not find expected ':'"):
		e.Hint = "indent the line as its neighbours, and write KEY: VALUE"
	case strings.Contains(message, "unexpected end of stream"), strings.Contains(message, "did not find expected ','"):
		e.Hint = "a quote or a bracket is not closed"
	case strings.Contains(message, "cannot start any token"):
		e.Hint = "a value that begins with %, @ or ` stands in quotes"
	}
	return e
}

// walk collects the options below a node.
type walk struct {
	lines  []foreign.Line
	inside []foreign.Line
	visits int
}

// add adds the values of a key. path has the keys around it and the key itself.
func (w *walk) add(key string, n *yaml.Node, depth int, path string) {
	if w.visits++; depth > maxDepth || w.visits > maxVisits {
		w.visits = maxVisits + 1
		return
	}
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Value == "" && n.Style == 0 && n.Tag == "!!null" {
			return // no value was written: there is no such option
		}
		w.lines = append(w.lines, foreign.Line{Key: key, Value: n.Value, Number: n.Line})
	case yaml.AliasNode:
		w.add(key, n.Alias, depth+1, path)
	case yaml.SequenceNode:
		for _, item := range n.Content {
			before := len(w.lines)
			w.add(key, item, depth+1, path)
			for i := range w.lines[before:] {
				w.lines[before+i].Listed = true
			}
		}
	case yaml.MappingNode:
		if depth > 0 {
			w.lines = append(w.lines, foreign.Line{Key: key, Number: n.Line, Nests: true})
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			name, value := n.Content[i], n.Content[i+1]
			below := foreign.Below(path, name.Value)
			if path != "" {
				w.inside = append(w.inside, foreign.Line{Key: below, Value: value.Value, Number: name.Line})
			}
			w.add(name.Value, value, depth+1, below)
		}
	}
}
