package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fixGolden rewrites the expected results of the cases with the actual ones: check the
// difference before you keep it.
var fixGolden = os.Getenv("EMPEROR_FIX_GOLDEN") != ""

// mark separates the input of a case from its expected result.
const mark = "-- want --\n"

// TestOptions runs the cases of testdata/options, one a file: a file named emperor-* is the
// emperor's own, tenant-* a vassal's that its tenant owns, all others are vassals'.
func TestOptions(t *testing.T) {
	files, err := filepath.Glob("testdata/options/*.case")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no cases: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".case")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, ok := strings.Cut(string(data), mark)
			if !ok {
				t.Fatalf("%s has no line %q", file, mark)
			}
			got := outcome(t, name, input)
			if fixGolden && got != want {
				if err := os.WriteFile(file, []byte(input+mark+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// outcome prints the effective configuration, or its mistakes, and its warnings.
func outcome(t *testing.T, name, input string) string {
	t.Helper()
	var settings []Setting
	var warnings Problems
	var err error
	path := "/v/" + name + ".ini"
	if strings.HasPrefix(name, "emperor-") {
		path = filepath.Join(t.TempDir(), name+".ini")
		if err := os.WriteFile(path, []byte(input), 0o600); err != nil {
			t.Fatal(err)
		}
		var e *Emperor
		if e, warnings, err = ownLoader.Emperor([]string{"--ini", path}); err == nil {
			settings = e.Settings(false)
		}
	} else {
		var v *Vassal
		v, warnings, err = ParseVassal(Source{Name: name + ".ini", Path: path, Data: []byte(input), Tenant: strings.HasPrefix(name, "tenant-")})
		if err == nil {
			settings = v.Settings(false)
		}
	}
	var b strings.Builder
	for _, s := range settings {
		fmt.Fprintf(&b, "%s = %s\t(line %d)\n", s.Name, s.Value, s.Origin.Line)
	}
	for _, w := range warnings {
		fmt.Fprintf(&b, "warning: %v\n", w)
	}
	if problems, ok := errors.AsType[Problems](err); ok {
		for _, p := range problems {
			fmt.Fprintf(&b, "error: %v\n", p)
		}
	} else if err != nil {
		fmt.Fprintf(&b, "error: %v\n", err)
	}
	return strings.ReplaceAll(b.String(), filepath.Dir(path)+"/", "")
}
