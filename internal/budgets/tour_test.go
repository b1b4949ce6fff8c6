package budgets

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// linkedName is a name in docs/tour.md with the file that declares it.
var linkedName = regexp.MustCompile("\\[`([^`]+)`\\]\\(\\.\\./([^)]+\\.go)\\)")

// Every name of the tour is declared in the file to which it links, and the tour has no other
// links to code.
func TestTourIsCurrent(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "tour.md"))
	if err != nil {
		t.Fatal(err)
	}
	names := linkedName.FindAllStringSubmatch(string(text), -1)
	if links := strings.Count(string(text), ".go)"); len(names) != links || links < 20 {
		t.Errorf("%d of %d links to code have a name", len(names), links)
	}
	for _, m := range names {
		if !declares(t, filepath.Join(root, m[2]), m[1]) {
			t.Errorf("docs/tour.md: %s does not declare %s", m[2], m[1])
		}
	}
}

// declares reports whether a file declares a name of package level, or a method TYPE.NAME.
func declares(t *testing.T, path, name string) bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Error(err)
		return true
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			own := d.Name.Name
			if of := receiver(d); of != "" {
				own = of + "." + own
			}
			if own == name {
				return true
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					if s.Name.Name == name {
						return true
					}
				case *ast.ValueSpec:
					for _, id := range s.Names {
						if id.Name == name {
							return true
						}
					}
				}
			}
		}
	}
	return false
}
