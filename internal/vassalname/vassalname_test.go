package vassalname

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/internal/budgets"
)

func TestResolve(t *testing.T) {
	for _, tt := range []struct {
		word, vassals, want string
	}{
		{"a", "a.ini", "a.ini"},
		{"a.ini", "a.ini", "a.ini"},
		{"a", "a a.ini", "a"},
		{"a", "a.ini a", "a"},
		{"a.ini", "a a.ini", "a.ini"},
		{"a.ini", "a", ""},
		{"a.ini", "a.ini.ini", "a.ini.ini"},
		{"a", "aa.ini b a.yml", ""},
		{"", ".ini", ""},
		{"a", "", ""},
	} {
		all := strings.Fields(tt.vassals)
		got, ok := Resolve(tt.word, func(name string) bool { return slices.Contains(all, name) })
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("%q among %q: %q, %v; want %q", tt.word, tt.vassals, got, ok, tt.want)
		}
		if ok && !MayMean(tt.word, got) {
			t.Errorf("%q cannot mean %q", tt.word, got)
		}
	}
	if MayMean("a", "b") || MayMean("", ".ini") || MayMean("a.ini", "a") || Stem("a.ini") != "a" || Stem("a.yml") != "a.yml" {
		t.Error("a name that a word cannot mean")
	}
}

// No other package adds .ini to names, or removes it.
func TestNamesHaveOneHome(t *testing.T) {
	files := 0
	err := budgets.Sources("../..", func(path string, set *token.FileSet, file *ast.File) {
		if files++; strings.HasPrefix(path, "examples/") || strings.HasSuffix(path, "test.go") {
			return
		}
		for _, at := range completions(file) {
			t.Errorf("%s: use package vassalname", set.Position(at))
		}
	})
	if err != nil || files < 300 {
		t.Errorf("%d files: %v", files, err)
	}
	source := `package p; func f(n string) { g(n + ".ini"); strings.TrimSuffix(n, ".ini"); strings.HasSuffix(n, ".ini"); g(".ini") }`
	file, err := parser.ParseFile(token.NewFileSet(), "", source, parser.SkipObjectResolution)
	if found := completions(file); err != nil || len(found) != 2 {
		t.Errorf("%v: %d completions, want 2", err, len(found))
	}
}

// completions returns the places where code adds .ini to a text, or removes it.
func completions(file *ast.File) (found []token.Pos) {
	isExtension := func(e ast.Expr) bool {
		l, ok := e.(*ast.BasicLit)
		return ok && l.Value == `"`+extension+`"`
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			if n.Op == token.ADD && isExtension(n.Y) {
				found = append(found, n.Pos())
			}
		case *ast.CallExpr:
			f, ok := n.Fun.(*ast.SelectorExpr)
			if ok && (f.Sel.Name == "TrimSuffix" || f.Sel.Name == "CutSuffix") && isExtension(n.Args[1]) {
				found = append(found, n.Pos())
			}
		}
		return true
	})
	return found
}
