package config

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/emperor-go/emperor/pkg/config/foreign/parser"
)

// seeds adds the files of all cases to a fuzz target.
func seeds(f *testing.F, add func(text string)) {
	f.Helper()
	cases, err := filepath.Glob("testdata/dialect/*.txtar")
	if err != nil || len(cases) == 0 {
		f.Fatalf("there are no cases: %v", err)
	}
	for _, c := range cases {
		archive, err := txtar.ParseFile(c)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if file.Name != "want" && len(file.Data) < 4<<10 {
				add(string(file.Data))
			}
		}
	}
	add(thirty)
}

// FuzzLex: a text that was divided can be joined and divided again.
func FuzzLex(f *testing.F) {
	seeds(f, func(text string) { f.Add(text) })
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
		r := newReader(Access{Environ: []string{"HOME=" + a, "A=", "B=%(a)$(B)"}}, "vassal")
		for key, value := range map[string]string{"a": a, "b": b, "c": c} {
			r.add(key, value)
		}
		r.passes()
		for _, e := range r.entries {
			if len(e.value) > maxLine && len(a)+len(b)+len(c) < maxLine {
				t.Fatalf("%s has %d bytes", e.key, len(e.value))
			}
		}
	})
}

// FuzzParse: the options of a vassal's file, written down, have the same meaning.
func FuzzParse(f *testing.F) {
	seeds(f, func(text string) { f.Add("a.ini", text+"\n[uwsgi]\ncommand = cat\n") })
	f.Add("a.yaml", "uwsgi:\n  command: cat\n  env: [A=1, B=2]\n")
	f.Add("a.json", `{"uwsgi": {"command": "cat", "env": ["A=1"], "vacuum": true}}`)
	f.Add("a.xml", `<uwsgi><command>cat</command><vacuum/></uwsgi>`)
	f.Fuzz(func(t *testing.T, name, data string) {
		if len(name) > 100 || strings.ContainsAny(name, "/\x00") {
			return
		}
		src := Source{Name: name, Path: "/v/" + name, Data: []byte(data), Tenant: strings.HasPrefix(name, "t")}
		r := Input{Source: src, Access: Access{Partial: true, Foreign: parser.Parse}}.read()
		v, _, err := finishVassal(src.Path, r)
		if err != nil || r.partial {
			return
		}
		settings := v.Settings(false)
		lines := make([]line, len(settings))
		for i, s := range settings {
			lines[i] = line{section: "uwsgi", key: s.Name, value: strings.ReplaceAll(s.Value, "%", "%%")}
			if strings.Trim(s.Value, blanks) != s.Value || strings.ContainsAny(s.Value, "\n\x00") || strings.Contains(s.Value, "(") {
				return
			}
		}
		again, _, err := ParseVassal(Source{Name: "a.ini", Path: "/v/a.ini", Data: []byte(unlex(lines))})
		if err != nil {
			t.Fatalf("%q, written as %q: %v", data, unlex(lines), err)
		}
		same := func(a, b Setting) bool { return a.Name == b.Name && a.Value == b.Value }
		if got := again.Settings(false); !slices.EqualFunc(got, settings, same) {
			t.Fatalf("%v became %v", settings, got)
		}
	})
}

// Joining words must not take quadratic time.
func TestManyWordsEndSoon(t *testing.T) {
	r := newReader(Access{}, "vassal")
	r.add("a", strings.Repeat("x", 10))
	r.add("b", "%("+strings.Repeat("a ", 90_000)+")")
	start := time.Now()
	r.passes()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if len(r.problems) != 1 || !strings.Contains(r.problems[0].Error(), "takes too long") {
		t.Errorf("problems: %v", r.problems)
	}
}
