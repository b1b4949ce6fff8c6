package config

import (
	"slices"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/internal/dialect"
	"github.com/emperor-go/emperor/internal/dialect/dialecttest"
	"github.com/emperor-go/emperor/internal/dialect/foreign/parser"
)

// FuzzParse: the options of a vassal's file, written down, have the same meaning.
func FuzzParse(f *testing.F) {
	dialecttest.Seeds(f, func(text string) { f.Add("a.ini", text+"\n[uwsgi]\ncommand = cat\n") })
	f.Add("a.ini", thirty)
	f.Add("a.yaml", "uwsgi:\n  command: cat\n  env: [A=1, B=2]\n")
	f.Add("a.json", `{"uwsgi": {"command": "cat", "env": ["A=1"], "vacuum": true}}`)
	f.Add("a.xml", `<uwsgi><command>cat</command><vacuum/></uwsgi>`)
	f.Fuzz(func(t *testing.T, name, data string) {
		if len(name) > 100 || strings.ContainsAny(name, "/\x00") {
			return
		}
		src := Source{Name: name, Path: "/v/" + name, Data: []byte(data), Tenant: strings.HasPrefix(name, "t")}
		v, _, err := Loader{Permissions: Permissions{Partial: true, Foreign: parser.Parse}}.Vassal(src)
		if err != nil || v.partial {
			return
		}
		settings := v.Settings(false)
		text := "[uwsgi]\n"
		for _, s := range settings {
			text += s.Name + " = " + strings.ReplaceAll(s.Value, "%", "%%") + "\n"
			if strings.Trim(s.Value, dialect.Blanks) != s.Value || strings.ContainsAny(s.Value, "\n\x00") || strings.Contains(s.Value, "(") {
				return
			}
		}
		again, _, err := ParseVassal(Source{Name: "a.ini", Path: "/v/a.ini", Data: []byte(text)})
		if err != nil {
			t.Fatalf("%q, written as %q: %v", data, text, err)
		}
		same := func(a, b Setting) bool { return a.Name == b.Name && a.Value == b.Value }
		if got := again.Settings(false); !slices.EqualFunc(got, settings, same) {
			t.Fatalf("%v became %v", settings, got)
		}
	})
}
