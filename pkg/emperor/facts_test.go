package emperor

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// factReaders are the functions that read booleans of a record: they make the inputs of pure decisions, or
// compute with memories of a file or of a zerg.
var factReaders = map[string][]string{
	"withdrawn": {"desired"},
	"held":      {"desired"},
	"edited":    {"situation"},
	"failed":    {"situation", "ended"}, // ended: the pause before the next zerg
	"renews":    {"ending"},
	"returned":  {"outdated", "setConfig", "remove"}, // the memory of a file that comes and goes
	"adjusting": {"realign", "apply"},                // apply: of compared, as the input of its effort
}

// The state of a vassal is in the life table. Booleans beside it are facts, and only inputs of decisions: a
// new one, or a new test of one, belongs into the table or into a decision.
func TestFactsAreInputsOfDecisions(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	facts, readers := map[string]bool{}, map[string][]string{}
	var parsed []*ast.File
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
		ast.Inspect(f, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && slices.Contains([]string{"vassal", "wish", "outcome", "run", "demand"}, spec.Name.Name) {
				for _, field := range spec.Type.(*ast.StructType).Fields.List {
					if kind, ok := field.Type.(*ast.Ident); ok && kind.Name == "bool" {
						for _, name := range field.Names {
							facts[name.Name] = true
						}
					}
				}
			}
			return true
		})
	}
	for _, f := range parsed {
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && !isDecision(d) {
				readsOf(d, func(field string) { readers[field] = append(readers[field], d.Name.Name) })
			}
		}
	}
	for fact := range facts {
		for _, by := range readers[fact] {
			if !slices.Contains(factReaders[fact], by) {
				t.Errorf("%s reads %s", by, fact)
			}
		}
	}
	for fact := range factReaders {
		if !facts[fact] {
			t.Errorf("%s is no boolean of a record any more", fact)
		}
	}
}

// readsOf calls read for each field of a vassal that a function reads. A field on the left of an assignment
// is not read.
func readsOf(d *ast.FuncDecl, read func(field string)) {
	written := map[ast.Expr]bool{}
	ast.Inspect(d, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, to := range n.Lhs {
				written[to] = true
			}
		case *ast.SelectorExpr:
			if !written[n] {
				read(n.Sel.Name)
			}
		}
		return true
	})
}

// isDecision reports whether a function is a method of the input of a decision.
func isDecision(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return false
	}
	of, ok := d.Recv.List[0].Type.(*ast.Ident)
	return ok && slices.Contains([]string{"situation", "edit", "effort", "ending"}, of.Name)
}
