package parser

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/emperor-go/emperor/pkg/config/foreign"
)

// maxVisits bounds how many nodes are looked at, which anchors can make many.
const maxVisits = 100_000

// parseYAML gives the scalars and sequences under each key. As in uWSGI, keys may
// repeat, a sequence repeats its key, and what is nested deeper counts as if it
// were not.
func parseYAML(text string) ([]foreign.Block, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		return nil, placed(strings.TrimPrefix(err.Error(), "yaml: "))
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
			return nil, &foreign.Error{Line: pairs[i].Line, What: "there are too many values, or anchors in anchors"}
		}
		blocks = append(blocks, foreign.Block{Name: pairs[i].Value, Lines: w.lines, Inside: w.inside})
	}
	return blocks, nil
}

// placed takes the line out of a message, as `line 3: what`.
func placed(message string) *foreign.Error {
	e := &foreign.Error{What: "cannot parse YAML: " + message}
	if number, what, ok := strings.Cut(strings.TrimPrefix(message, "line "), ": "); ok {
		if n, err := strconv.Atoi(number); err == nil {
			e.Line, e.What = n, "cannot parse YAML: "+what
		}
	}
	return e
}

// walk collects the options below a node.
type walk struct {
	lines  []foreign.Line
	inside []foreign.Line
	visits int
}

// add adds the values of a key. path are the keys around it with the key itself.
func (w *walk) add(key string, n *yaml.Node, depth int, path string) {
	if w.visits++; depth > maxDepth || w.visits > maxVisits {
		w.visits = maxVisits + 1
		return
	}
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Value == "" && n.Style == 0 && n.Tag == "!!null" {
			return // nothing was written: there is no such option
		}
		w.lines = append(w.lines, foreign.Line{Key: key, Value: n.Value, Number: n.Line})
	case yaml.AliasNode:
		w.add(key, n.Alias, depth+1, path)
	case yaml.SequenceNode:
		for _, item := range n.Content {
			w.add(key, item, depth+1, path)
		}
	case yaml.MappingNode:
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
