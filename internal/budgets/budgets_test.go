package budgets

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.."

func measured(t *testing.T, dir string) Figures {
	t.Helper()
	f, err := Measure(filepath.Join(root, dir))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// The sizes of CONTRIBUTING.md.
func TestBudgets(t *testing.T) {
	f := measured(t, ".")
	at := func(list []Figure, percent int) int { return list[len(list)*percent/100].Value }
	if n := at(f.Files, 50); n > 130 {
		t.Errorf("the median of files is %d lines, more than 130", n)
	}
	for _, x := range Above(f.Files, 400) {
		t.Errorf("%s has %d lines, more than 400: divide it by subject", x.Name, x.Value)
	}
	if n := at(f.Functions, 90); n > 25 {
		t.Errorf("the 90th percentile of functions is %d lines, more than 25", n)
	}
	if long := Above(f.Functions, 82); len(long) > 1 {
		t.Errorf("more than one function has more than 80 lines and its braces: %v", long)
	}
	for _, x := range Above(f.Structs, 20) {
		if !isInput(x.Name) {
			t.Errorf("%s has %d fields, more than 20: group them by subject", x.Name, x.Value)
		}
	}
	for _, name := range f.Undocumented {
		t.Errorf("%s has no comment", name)
	}
	for _, x := range Above(f.Methods, 40) {
		t.Errorf("%s has %d methods, more than 40: divide it by subject", x.Name, x.Value)
	}
}

// isInput reports whether a struct is options or a message, whose fields are a list.
func isInput(name string) bool {
	return strings.HasPrefix(name, "pkg/config") || strings.HasSuffix(name, ".Options") || strings.HasSuffix(name, "Options") || inputs[name]
}

// inputs are other structs whose fields are a list: options by another name, and messages.
var inputs = map[string]bool{
	"pkg/wire.Order":               true, // a message to a vassal
	"internal/control.uwsgiVassal": true, // a message of uWSGI's statistics
	"pkg/emperor.Record":           true, // a message to clients: one JSON object, in parts by subject
	"pkg/emperor.Request":          true, // the input of one launch: its configuration, which no code changes, and its place in the life
}

// Fields of embedded structs of the same package count, through pointers too.
func TestPromotedFieldsCount(t *testing.T) {
	dir := t.TempDir()
	source := "package p\n\nimport \"io\"\n\ntype a struct {\n\tx, y int\n\t*b\n\tio.Reader\n\tc b\n}\n\ntype b struct{ d }\n\ntype d struct{ u, v, w int }\n"
	if err := os.WriteFile(filepath.Join(dir, "p.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Measure(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range f.Structs {
		if want := map[string]int{"..a": 7, "..b": 3, "..d": 3}[x.Name]; x.Value != want {
			t.Errorf("%s has %d fields, want %d", x.Name, x.Value, want)
		}
	}
}

// TestTable prints the figures, with -v.
func TestTable(t *testing.T) {
	t.Log("|  | lines | file | function | > 80 | exported, doc % | interfaces | cyclomatic |")
	for _, dir := range []string{".", "pkg/emperor", "internal/control", "pkg/vassal", "pkg/config", "internal", "webserver"} {
		if _, err := os.Stat(filepath.Join(root, dir)); err != nil {
			continue
		}
		f := measured(t, dir)
		t.Logf("| %s | %.1fk | %s | %s | %d | %d, %d | %d | %s |", dir, float64(f.Lines)/1000, Spread(f.Files), Spread(f.Functions), len(Above(f.Functions, 82)),
			f.Exported, 100*(f.Exported-len(f.Undocumented))/max(1, f.Exported), f.Interfaces, Spread(f.Complexity))
	}
	f := measured(t, ".")
	for _, list := range [][]Figure{f.Structs, f.Methods, f.Files} {
		for _, x := range list[len(list)-4:] {
			t.Logf("%d %s", x.Value, x.Name)
		}
	}
}
