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
	facts, readers := map[string]bool{}, map[string][]string{}
	parsed := parsedFiles(t)
	for _, f := range parsed {
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

// stateReaders are the functions that read the state of a vassal: they look it up in the table, make the inputs of
// pure decisions, or report it.
var stateReaders = []string{
	// the table, and its consequences for the process
	"Emperor.input", "vassal.takes", "vassal.move", "vassal.living", "vassal.occupied",
	// inputs of decisions
	"Emperor.applyWanted", "generationOf.effort", "roster.apart", "roster.holderOf",
	// reports
	"logTransition", "feed.publish", "feed.note", "vassal.record", "operation.reload", "foundStuck.apply",
}

// The state of a vassal decides in the table, and in pure decisions, of which it is an input. A new test of it
// belongs there.
func TestStatesAreInTheTable(t *testing.T) {
	constants, readers := map[string]bool{}, map[string]bool{}
	for _, f := range parsedFiles(t) {
		ast.Inspect(f, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Names) == 1 {
				if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "State" {
					constants[spec.Names[0].Name] = true
				}
			}
			return true
		})
	}
	if len(constants) < 10 {
		t.Fatalf("states: %v", constants)
	}
	for _, f := range parsedFiles(t, "states.go", "states_doc.go", "passages.go") {
		for _, d := range f.Decls {
			d, ok := d.(*ast.FuncDecl)
			if !ok || isDecision(d) {
				continue
			}
			ast.Inspect(d, func(n ast.Node) bool {
				for _, e := range comparands(n) {
					if id, ok := e.(*ast.Ident); ok && constants[id.Name] {
						t.Errorf("%s compares a state with %s", d.Name.Name, id.Name)
					}
				}
				if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "state" {
					name := strings.TrimPrefix(receiverOf(d)+"."+d.Name.Name, ".")
					if readers[name] = true; !slices.Contains(stateReaders, name) {
						t.Errorf("%s reads the state of a vassal", name)
					}
				}
				return true
			})
		}
	}
	for _, name := range stateReaders {
		if !readers[name] {
			t.Errorf("%s reads no state any more", name)
		}
	}
}

// comparands returns the operands of a comparison, or the values of a case.
func comparands(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		if n.Op == token.EQL || n.Op == token.NEQ {
			return []ast.Expr{n.X, n.Y}
		}
	case *ast.CaseClause:
		return n.List
	}
	return nil
}

// parsedFiles are the files of this package, without tests and some others.
func parsedFiles(t *testing.T, without ...string) (parsed []*ast.File) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || slices.Contains(without, name) {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
	}
	return parsed
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
	return slices.Contains([]string{"situation", "edit", "effort", "ending", "aftermath", "finding", "joining", "wait"}, receiverOf(d))
}

// receiverOf returns the name of the type of a method, also of one with a pointer; empty for a function.
func receiverOf(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	of := d.Recv.List[0].Type
	if pointer, ok := of.(*ast.StarExpr); ok {
		of = pointer.X
	}
	if id, ok := of.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}
