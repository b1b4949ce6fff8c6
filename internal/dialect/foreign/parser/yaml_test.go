package parser

import (
	"errors"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/internal/problem"
)

// TestLineOfYAML: a mistake has the number of its own line, wherever the block around it
// begins.
func TestLineOfYAML(t *testing.T) {
	for _, c := range []struct {
		text string // the mistake is in the line that ends in a question mark
		want string
	}{
		{"uwsgi:\n  a: 1\n  b: 2\n c: 3?\n", "did not find expected key"},
		{"uwsgi:\n  a: 1\n  env:\n    - b\n   - c?\n  d: 1\n", "did not find expected key"},
		{"uwsgi:\n  a: 1\n  b: 2\n  - c?\n  d: 1\n", "did not find expected key"},
		{"uwsgi:\n  a: 1\n  b: 'it's?\n  c: 1\n  d: ''\n", "did not find expected key"},
		{"uwsgi:\n  a: [b,\n    c]\n  d: \"e\" f?\n  g: 1\n", "did not find expected key"},
		{"uwsgi:\n  a: [1,\n    2]\n  b: [c, d?\n  e: 1\n  f: 2\n", "did not find expected ','"},
		{"uwsgi:\n  a: &b 1\n  c: *d?\n  e: *b\n", "unknown anchor"},
		{"uwsgi:\n  a: 1\n   b: 2?\n", "mapping values are not allowed"},
	} {
		before, _, _ := strings.Cut(c.text, "?")
		_, err := parseYAML(strings.ReplaceAll(c.text, "?", ""))
		var e *problem.Problem
		if !errors.As(err, &e) || e.Origin.Line != 1+strings.Count(before, "\n") || !strings.Contains(e.What, c.want) {
			t.Errorf("%q: got %#v", c.text, err)
		}
	}
}
