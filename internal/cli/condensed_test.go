package cli

import (
	"fmt"
	"strings"
	"testing"
)

// The most important facts fit a screen of 24 rows, however many others there are.
func TestCondensedStatus(t *testing.T) {
	long := strings.Repeat("w", 300)
	list := []fact{{"name", "shop.ini"}, {"state", "backoff"}, {"error", "cannot " + long}, {"error", "the end"}}
	for i := range 40 {
		list = append(list, fact{"hook", fmt.Sprint("hook", i, long)})
	}
	list = append(list, fact{"exit", "first"}, fact{"because", "one"}, fact{"exit", "last"}, fact{"because", "two"})
	for i := range 30 {
		list = append(list, fact{"log", fmt.Sprint("line", i)})
	}
	for _, tt := range []struct{ width, height, rows int }{{80, 23, 23}, {40, 60, 60}, {200, 12, 12}, {80, 3, 6}, {40, 9, 9}, {1, 1, 6}} {
		got := condensed(list, tt.width, tt.height)
		if rows := rowsOf(got, tt.width); rows > tt.rows && tt.width > 20 || len(got) < 3 && tt.width > 20 {
			t.Errorf("%dx%d: %d lines in %d rows", tt.width, tt.height, len(got), rows)
		}
	}
	text := factsText(condensed(list, 80, 23))
	for _, want := range []string{"name ", "backoff", "the end", "hook0", "more lines: --all", "exit             last", "two", "line25", "line29\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "line24") || strings.Contains(text, "first") || strings.Index(text, "more lines") < strings.Index(text, "hook0") {
		t.Errorf("older lines displace details:\n%s", text)
	}
	if short := list[:3]; len(condensed(short, 80, 23)) != 3 {
		t.Error("a short status is condensed")
	}
	wide := condensed(append(list[:2:2], fact{"log", long}), 80, 23)
	if wide[2].value != long {
		t.Error("a long line is cut although there is room")
	}
}
