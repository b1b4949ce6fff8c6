package budgets

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/emperor-go/emperor/"

// statement returns the packages that docs/embedding.md lists as stable and as experimental.
func statement(t *testing.T) (stable, experimental []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs/embedding.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "## Stable packages")
	first, second, ok := strings.Cut(rest, "## Experimental packages")
	if !ok {
		t.Fatal("docs/embedding.md has no two lists")
	}
	listed := func(text string) (list []string) {
		for _, row := range regexp.MustCompile(`(?m)^\|([^|]*)\|`).FindAllStringSubmatch(text, -1) {
			for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
				list = append(list, name[1])
			}
		}
		return list
	}
	return listed(first), listed(second)
}

// importable returns the directories of all packages that other modules can import.
func importable(t *testing.T) (list []string) {
	t.Helper()
	for _, top := range []string{"pkg", "webserver"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() || d.Name() == "testdata" {
				return err
			}
			if files, _ := filepath.Glob(path + "/*.go"); len(files) > 0 {
				name, _ := filepath.Rel(root, path)
				list = append(list, name)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return list
}

// The statement of stability names each package that can be imported, once.
func TestStabilityIsStated(t *testing.T) {
	stable, experimental := statement(t)
	all := importable(t)
	for _, name := range all {
		if slices.Contains(stable, name) == slices.Contains(experimental, name) {
			t.Errorf("docs/embedding.md must list %s once, as stable or as experimental", name)
		}
	}
	for _, name := range slices.Concat(stable, experimental) {
		if !slices.Contains(all, name) {
			t.Errorf("docs/embedding.md lists %s, which cannot be imported", name)
		}
	}
}

// sources returns the files of a package without its tests, by path.
func sources(t *testing.T, dir string) map[string]*ast.File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]*ast.File{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		if files[path], err = parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// The exported names of stable packages have no types of experimental packages.
func TestStablePackagesShowNoExperimentalTypes(t *testing.T) {
	stable, experimental := statement(t)
	for _, dir := range stable {
		for path, file := range sources(t, dir) {
			for _, used := range shown(file) {
				if slices.Contains(experimental, used.dir) {
					t.Errorf("%s: an exported name has a type of %s", path, used.dir)
				}
			}
		}
	}
}

// A program in another module can name each type in the exported declarations of stable packages: a type
// of an internal package has an alias in a stable one.
func TestStablePackagesNameTheirTypes(t *testing.T) {
	stable, _ := statement(t)
	aliases := map[typeName]bool{}
	missing := map[typeName]string{}
	for _, dir := range stable {
		for path, file := range sources(t, dir) {
			for _, name := range aliased(file) {
				aliases[name] = true
			}
			for _, used := range shown(file) {
				if strings.HasPrefix(used.dir, "internal/") {
					missing[used] = path
				}
			}
		}
	}
	for name, path := range missing {
		if !aliases[name] {
			t.Errorf("%s: an exported name has the type %s.%s, which has no alias in a stable package", path, name.dir, name.name)
		}
	}
}

// Examples of stable packages are programs that other modules can compile: they import no internal package.
func TestExamplesCompileElsewhere(t *testing.T) {
	stable, _ := statement(t)
	for _, dir := range stable {
		files, err := filepath.Glob(filepath.Join(root, dir, "*example*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, imported := range imports(file) {
				if strings.HasPrefix(imported, "internal/") {
					t.Errorf("%s: an example imports %s", path, imported)
				}
			}
		}
	}
}

// A typeName is a type of this module: the directory of its package, and its name there.
type typeName struct{ dir, name string }

// imports returns the directories of the packages of this module that a file imports, by their names.
func imports(file *ast.File) map[string]string {
	imported := map[string]string{}
	for _, i := range file.Imports {
		path, _ := strconv.Unquote(i.Path.Value)
		if short, ours := strings.CutPrefix(path, module); ours {
			name := filepath.Base(short)
			if i.Name != nil {
				name = i.Name.Name
			}
			imported[name] = short
		}
	}
	return imported
}

// aliased returns the types of other packages for which a file declares exported aliases.
func aliased(file *ast.File) (list []typeName) {
	imported := imports(file)
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.TypeSpec); ok && s.Assign.IsValid() && s.Name.IsExported() {
			if of, ok := s.Type.(*ast.SelectorExpr); ok {
				list = append(list, typeName{imported[of.X.(*ast.Ident).Name], of.Sel.Name})
			}
		}
		return true
	})
	return list
}

// shown returns the types of other packages of this module in a file's exported declarations.
func shown(file *ast.File) (list []typeName) {
	imported := imports(file)
	walk := func(n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Field:
				if len(n.Names) > 0 && !slices.ContainsFunc(n.Names, (*ast.Ident).IsExported) {
					return false
				}
			case *ast.SelectorExpr:
				if name, ok := n.X.(*ast.Ident); ok && imported[name.Name] != "" {
					list = append(list, typeName{imported[name.Name], n.Sel.Name})
				}
			}
			return true
		})
	}
	signature := func(f *ast.FuncType) {
		for _, fields := range []*ast.FieldList{f.TypeParams, f.Params, f.Results} {
			if fields != nil {
				for _, field := range fields.List {
					walk(field.Type)
				}
			}
		}
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d))) {
				signature(d.Type)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					if s.Name.IsExported() {
						walk(s.Type)
					}
				case *ast.ValueSpec:
					if s.Type != nil && slices.ContainsFunc(s.Names, (*ast.Ident).IsExported) {
						walk(s.Type)
					}
				}
			}
		}
	}
	return list
}
