package dialect

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/internal/dialect/dialecttest"
)

// FuzzLex: a text that was divided can be joined and divided again.
func FuzzLex(f *testing.F) {
	dialecttest.Seeds(f, func(text string) { f.Add(text) })
	f.Fuzz(func(t *testing.T, data string) {
		m := magicIn("")
		m.named("a.ini")
		m.file("/d/a.ini")
		substituted, numbers, _, ok := m.substitute(data)
		if !ok {
			return
		}
		if numbers != nil && len(numbers) != 1+strings.Count(substituted, "\n") {
			t.Fatalf("%d numbers for %q", len(numbers), substituted)
		}
		lines, _, _ := lex("a.ini", substituted, numbers)
		lines = slices.DeleteFunc(lines, func(l line) bool { return l.section == "" })
		again, _, problems := lex("a.ini", unlex(lines), nil)
		if len(problems) > 0 && len(data) < maxLine {
			t.Fatal(problems)
		}
		same := func(a, b line) bool { return a.section == b.section && a.key == b.key && a.value == b.value }
		if !slices.EqualFunc(lines, again, same) && len(data) < maxLine/2 {
			t.Fatalf("%v became %v", lines, again)
		}
	})
}

// unlex joins the lines of lex to a text.
func unlex(lines []line) string {
	var b strings.Builder
	section := ""
	for _, l := range lines {
		if l.section != section {
			section = l.section
			b.WriteString("[" + section + "]\n")
		}
		b.WriteString(l.key + " = " + l.value + "\n")
	}
	return b.String()
}

// FuzzExpand: expansion ends, and no value exceeds its limit.
func FuzzExpand(f *testing.F) {
	f.Add("%(b)", "x%(a)$(HOME)", "%(a + b * 2)")
	f.Add("x%(b)%(b)", "y%(c)%(c)", "z%(a)%(a)")
	f.Add("$(A:-b-c)$(A-$(B))", "@(x)@()", "%(a ++ -- / c)")
	f.Add("%(%(c))", "((%(a)))", "a")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		r := New(ofUWSGI, Permissions{Environ: []string{"HOME=" + a, "A=", "B=%(a)$(B)"}}, "vassal")
		for key, value := range map[string]string{"a": a, "b": b, "c": c} {
			r.add(key, value)
		}
		r.expandAll()
		for _, e := range r.list.entries {
			if len(e.Value) > maxLine && len(a)+len(b)+len(c) < maxLine {
				t.Fatalf("%s has %d bytes", e.Key, len(e.Value))
			}
		}
	})
}

// Joining words must not take quadratic time.
func TestManyWordsEndSoon(t *testing.T) {
	r := New(ofUWSGI, Permissions{}, "vassal")
	r.add("a", strings.Repeat("x", 10))
	r.add("b", "%("+strings.Repeat("a ", 90_000)+")")
	start := time.Now()
	r.expandAll()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if len(r.outcome.problems) != 1 || !strings.Contains(r.outcome.problems[0].Error(), "takes too long") {
		t.Errorf("problems: %v", r.outcome.problems)
	}
}
