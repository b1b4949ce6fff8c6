// Package dialecttest finds the cases and the real files for tests of the dialect.
package dialecttest

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// Corpus returns the folder of real configuration files, which are not part of this project.
func Corpus(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("EMPEROR_CORPUS")
	if dir == "" {
		dir = filepath.Join(filepath.Dir(here()), "..", "..", "..", "shared", "corpus")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "EXPECTED.jsonl")); err != nil {
		Missing(t, fmt.Sprintf("there is no corpus in %s (EMPEROR_CORPUS names the folder)", dir))
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil { // as %p will be
		t.Fatal(err)
	}
	return dir
}

// Missing skips a test on a machine without a requirement. In CI it fails the test.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// Cases returns the files of all cases, in the directory of the test of this package.
func Cases() ([]string, error) {
	return filepath.Glob(filepath.Join(filepath.Dir(here()), "testdata", "dialect", "*.txtar"))
}

// here returns the directory of this file.
func here() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

// Seeds adds the files of all cases to a fuzz target.
func Seeds(f *testing.F, add func(text string)) {
	f.Helper()
	cases, err := Cases()
	if err != nil || len(cases) == 0 {
		f.Fatalf("there are no cases: %v", err)
	}
	for _, c := range cases {
		archive, err := txtar.ParseFile(c)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if file.Name != "want" && len(file.Data) < 4<<10 {
				add(string(file.Data))
			}
		}
	}
}

// Hostile are names that a tenant could give a file, without their extension.
var Hostile = []string{
	"$(touch x)", "`touch x`", ";touch x;", `a";touch x"`, "a'b", "two words", "-rf", "a\\", "a\nuid = 0", "tab\tbed", "star*", "ü", "a=b",
	"#a", "[b]", "%(uid)", "@(exec:)", "~root",
	"a" + "\uFDD1" + ";touch x;", "a\x80;",
}
