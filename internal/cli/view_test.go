package cli

import (
	"fmt"
	"strings"
	"testing"
)

// The rows of a long list are reachable, and the screen says how many others there are.
func TestViewScrolls(t *testing.T) {
	text := []string{"head", "NAME"}
	for i := range 100 {
		text = append(text, fmt.Sprint("row", i))
	}
	var v view
	v.frame(text, 2, 23)
	for _, tt := range []struct{ keys, first, foot string }{
		{"", "row0", "0 more above, 80 below"},
		{"j\x1b[B\x1bOB", "row3", "3 more above, 77 below"},
		{"k", "row2", "2 more above, 78 below"},
		{" ", "row22", "22 more above, 58 below"},
		{"\x1b[6~", "row42", "42 more above, 38 below"},
		{"b\x1b[5~b", "row0", "0 more above, 80 below"},
		{"G", "row80", "80 more above, 0 below"},
		{"jjj", "row80", "80 more above, 0 below"},
		{"k", "row79", "79 more above, 1 below"},
		{"\x1b[H", "row0", "0 more above, 80 below"},
		{"/", "row0", "filter: _"},
		{"Row9q\x7f", "row0", "filter: Row9_"},
		{"\r", "row0", "filter: Row9"},
		{"/\x1b", "row0", "0 more above"},
		{"\x1b[200;300xj", "row1", "1 more above"},
	} {
		for _, key := range []byte(tt.keys) {
			if !v.press(key) {
				t.Errorf("%q of %q is not for the view", key, tt.keys)
			}
		}
		lines := v.frame(text, 2, 23)
		if len(lines) > 23 || lines[0] != "head" || lines[2] != tt.first || !strings.HasPrefix(lines[len(lines)-1], tt.foot) {
			t.Errorf("after %q: %d lines, the first row %s, the last line %q; want %s, %q", tt.keys, len(lines), lines[2], lines[len(lines)-1], tt.first, tt.foot)
		}
	}
	if v.press('q') || v.press('c') {
		t.Error("keys of the command are taken")
	}
	if lines := v.frame(text[:4], 2, 23); len(lines) != 4 || lines[2] != "row0" {
		t.Errorf("a short list: %q", lines)
	}
	v.filter = "sHop"
	if !v.wants("the-shop.ini") || v.wants("web.ini") {
		t.Error("the filter selects others")
	}
}
