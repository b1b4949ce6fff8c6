// Package budgets measures the source of this repository: sizes of files, functions, structs and
// types. Tests hold the limits; `make measure` prints the figures.
package budgets

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// Figures are the measurements of the code below a directory, without tests.
type Figures struct {
	// Lines of all files. Files and Functions have the lines of each, and Complexity the
	// cyclomatic complexity of each function, all sorted by value.
	Lines                        int
	Files, Functions, Complexity []Figure
	// Structs have the number of fields of each struct type, with the promoted fields of embedded
	// structs of the same package, and Methods the number of methods of each type, sorted by value.
	Structs, Methods []Figure
	// Exported counts exported names of package level and methods, and Interfaces the interface types
	// with a name. Undocumented are the exported names without a comment, each with its file;
	// methods of the standard library's interfaces need none.
	Exported, Interfaces int
	Undocumented         []string
}

// Figure is one measured subject.
type Figure struct {
	// Name is a path, or a path and the name of a function or type.
	Name  string
	Value int
}

// Measure measures the Go files below a directory, without tests, test data and hidden
// directories.
func Measure(root string) (f Figures, err error) {
	methods, structs := map[string]int{}, map[string]*ast.StructType{}
	err = Sources(root, func(path string, set *token.FileSet, file *ast.File) {
		f.file(path, set, file, methods, structs)
	})
	for name, t := range structs {
		f.Structs = append(f.Structs, Figure{name, fields(name, t, structs)})
	}
	for name, n := range methods {
		f.Methods = append(f.Methods, Figure{name, n})
	}
	for _, list := range [][]Figure{f.Files, f.Functions, f.Complexity, f.Structs, f.Methods} {
		slices.SortFunc(list, func(a, b Figure) int { return a.Value - b.Value })
	}
	return f, err
}

// Sources calls visit for each Go file below a directory, with its path from there. Tests, test data and
// hidden directories are left out.
func Sources(root string, visit func(path string, set *token.FileSet, file *ast.File)) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		name := d.Name()
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin"):
			return filepath.SkipDir
		case d.IsDir(), !strings.HasSuffix(name, ".go"), strings.HasSuffix(name, "_test.go"):
			return nil
		}
		short, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err == nil {
			visit(short, set, file)
		}
		return err
	})
}

// file measures one file.
func (f *Figures) file(short string, set *token.FileSet, file *ast.File, methods map[string]int, structs map[string]*ast.StructType) {
	lines := set.File(file.FileStart).LineCount()
	f.Lines += lines
	f.Files = append(f.Files, Figure{short, lines})
	span := func(n ast.Node) int { return set.Position(n.End()).Line - set.Position(n.Pos()).Line + 1 }
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			name := short + ": " + d.Name.Name
			f.Functions = append(f.Functions, Figure{name, span(d)})
			f.Complexity = append(f.Complexity, Figure{name, complexity(d)})
			if of := receiver(d); of != "" {
				methods[filepath.Dir(short)+"."+of]++
			}
			f.export(short, d.Name, d.Doc)
		case *ast.GenDecl:
			f.declaration(short, d, structs)
		}
	}
}

// declaration measures types, constants and variables.
func (f *Figures) declaration(path string, d *ast.GenDecl, structs map[string]*ast.StructType) {
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			f.export(path, s.Name, s.Doc, d.Doc)
			switch t := s.Type.(type) {
			case *ast.InterfaceType:
				f.Interfaces++
			case *ast.StructType:
				structs[filepath.Dir(path)+"."+s.Name.Name] = t
			}
		case *ast.ValueSpec:
			for _, name := range s.Names {
				f.export(path, name, s.Doc, s.Comment, d.Doc)
			}
		}
	}
}

// fields counts the fields of a struct type with that name. The fields of an embedded struct of the same package
// count instead of the embedded one, also behind a pointer.
func fields(name string, t *ast.StructType, structs map[string]*ast.StructType) (n int) {
	for _, field := range t.Fields.List {
		if len(field.Names) > 0 {
			n += len(field.Names)
			continue
		}
		of := field.Type
		if pointer, ok := of.(*ast.StarExpr); ok {
			of = pointer.X
		}
		n++
		if id, ok := of.(*ast.Ident); ok {
			inner := name[:strings.LastIndex(name, ".")+1] + id.Name
			if embedded := structs[inner]; embedded != nil {
				n += fields(inner, embedded, structs) - 1
			}
		}
	}
	return n
}

// conventional are methods that interfaces of the standard library document, as golint had them.
var conventional = map[string]bool{"Error": true, "Unwrap": true, "String": true, "Read": true, "Write": true, "ServeHTTP": true}

// export counts an exported name, and lists it when it has no comment.
func (f *Figures) export(path string, name *ast.Ident, docs ...*ast.CommentGroup) {
	if !name.IsExported() {
		return
	}
	f.Exported++
	if !conventional[name.Name] && !slices.ContainsFunc(docs, func(c *ast.CommentGroup) bool { return c != nil }) {
		f.Undocumented = append(f.Undocumented, path+": "+name.Name)
	}
}

// receiver returns the name of the type of a method; empty for a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	t := d.Recv.List[0].Type
	for {
		switch of := t.(type) {
		case *ast.StarExpr:
			t = of.X
		case *ast.IndexExpr:
			t = of.X
		case *ast.Ident:
			return of.Name
		default:
			return ""
		}
	}
}

// complexity counts the independent paths through a function, as gocyclo does.
func complexity(d *ast.FuncDecl) int {
	n := 1
	ast.Inspect(d, func(x ast.Node) bool {
		switch x := x.(type) {
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			n++
		case *ast.CaseClause:
			if x.List != nil {
				n++
			}
		case *ast.CommClause:
			if x.Comm != nil {
				n++
			}
		case *ast.BinaryExpr:
			if x.Op == token.LAND || x.Op == token.LOR {
				n++
			}
		}
		return true
	})
	return n
}

// Spread returns the median, the 90th percentile and the largest of sorted figures.
func Spread(list []Figure) string {
	at := func(percent int) int { return list[min(len(list)-1, len(list)*percent/100)].Value }
	return fmt.Sprintf("%d/%d/%d", at(50), at(90), list[len(list)-1].Value)
}

// Above returns the figures that exceed a limit.
func Above(list []Figure, limit int) []Figure {
	i := slices.IndexFunc(list, func(f Figure) bool { return f.Value > limit })
	if i < 0 {
		return nil
	}
	return list[i:]
}
