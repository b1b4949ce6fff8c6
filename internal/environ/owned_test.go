package environ

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/internal/budgets"
)

func TestOwnedVariables(t *testing.T) {
	for key, want := range map[string]struct{ one, manager bool }{
		"PATH": {}, "UWSGIX": {}, "MY_LISTEN_FDS": {}, "EMPERORS": {}, "NOTIFY_SOCKETS": {}, "MAINPIDS": {}, "": {},
		"UWSGI_X": {true, false}, "UWSGI_VASSAL_PID": {true, false}, "EMPEROR_ORDER_FD": {true, false},
		"LISTEN_FDS": {true, true}, "LISTEN_PIDFDID": {true, true}, "NOTIFY_SOCKET": {true, true},
		"WATCHDOG_USEC": {true, true}, "WATCHDOG_PID": {true, true}, "MAINPID": {true, true},
	} {
		if ForOneProcess(key) != want.one || FromManager(key) != want.manager {
			t.Errorf("%q: for one process %v, from the manager %v; want %v", key, ForOneProcess(key), FromManager(key), want)
		}
	}
	for _, group := range owned {
		if group.reason == "" {
			t.Errorf("%v have no reason", group.names)
		}
	}
	all := []string{"A=1", "UWSGI_VASSAL_X=2", "UWSGI_Y=3", "LISTEN_FDS=4", "WATCHDOG_USEC=5", "NOTIFY_SOCKET=6", "EMPEROR_Z=7", "MAINPID=8"}
	if got, want := OfVassals(all), []string{"A=1", "UWSGI_X=2"}; !slices.Equal(got, want) {
		t.Errorf("vassals get %q, want %q", got, want)
	}
	if got, want := Without(all, FromManager), []string{"A=1", "UWSGI_VASSAL_X=2", "UWSGI_Y=3", "EMPEROR_Z=7"}; !slices.Equal(got, want) {
		t.Errorf("without the manager's: %q, want %q", got, want)
	}
}

// The document of the environment lists the same variables.
func TestOwnedVariablesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/containment.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "to one process (")
	list, _, _ = strings.Cut(list, ")")
	var want []string
	for _, group := range owned {
		for _, name := range group.names {
			if strings.HasSuffix(name, "_") {
				name += "*"
			}
			want = append(want, "`"+name+"`")
		}
	}
	got := strings.Split(list, ", ")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("docs/containment.md lists %s, want %s", got, want)
	}
}

// No other package has a list of variables that belong to one process: a prefix of them, or names of
// two groups in one function or variable.
func TestOwnedVariablesHaveOneHome(t *testing.T) {
	files := 0
	err := budgets.Sources("../..", func(path string, set *token.FileSet, file *ast.File) {
		if files++; path == "internal/environ/owned.go" || strings.HasPrefix(path, "examples/") {
			return
		}
		for _, d := range file.Decls {
			for _, part := range parts(d) {
				if found := groups(part); len(found) > 1 || slices.Contains(found, prefixed) {
					t.Errorf("%s lists variables that belong to one process: use environ.ForOneProcess", set.Position(part.Pos()))
				}
			}
		}
	})
	if err != nil || files < 300 {
		t.Errorf("%d files: %v", files, err)
	}
	for source, want := range map[string]int{
		`package p; var x = []string{"LISTEN_FDS", "LISTEN_PID"}`:         1,
		`package p; var x = []string{"LISTEN_FDS", "NOTIFY_SOCKET"}`:      2,
		`package p; func f(k string) bool { return has(k, "WATCHDOG_") }`: 1,
		`package p; func f() { set("NOTIFY_SOCKET=" + x); get("A") }`:     1,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "", source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if got := groups(parts(file.Decls[0])[0]); len(got) != want {
			t.Errorf("%s: %v, want %d groups", source, got, want)
		}
	}
}

// parts returns a function, or the single specifications of another declaration.
func parts(d ast.Decl) (list []ast.Node) {
	general, ok := d.(*ast.GenDecl)
	if !ok {
		return []ast.Node{d}
	}
	for _, s := range general.Specs {
		list = append(list, s)
	}
	return list
}

// prefixed is the group of a literal that is a prefix itself.
const prefixed = "a prefix"

// groups returns the groups whose variables a piece of code names.
func groups(n ast.Node) (found []string) {
	ast.Inspect(n, func(n ast.Node) bool {
		literal, ok := n.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		text, _ := strconv.Unquote(literal.Value)
		key, _, _ := strings.Cut(text, "=")
		for _, group := range owned {
			for _, name := range group.names {
				switch {
				case strings.HasSuffix(name, "_") && key == name:
					found = append(found, prefixed)
				case key == name, strings.HasSuffix(name, "_") && strings.HasPrefix(key, name):
					found = append(found, name)
				}
			}
		}
		return true
	})
	slices.Sort(found)
	return slices.Compact(found)
}
