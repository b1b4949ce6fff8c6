package libexec

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A program is found beside its caller, then in ../libexec/emperor, never in PATH, and only if it
// can be executed. A caller in libexec/emperor finds the commands in ../../bin.
func TestFindFor(t *testing.T) {
	root := t.TempDir()
	make := func(path string, mode os.FileMode) string {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	emperor, native := filepath.Join(root, "bin/emperor"), make("libexec/emperor/emperor-native", 0o755)
	vassal := make("bin/vassal", 0o755)
	server := make("libexec/emperor/vassal-server", 0o711)
	beside, closed := make("bin/vassal-helper", 0o711), make("bin/closed", 0o644)
	make("libexec/emperor/vassal-helper", 0o711)
	make("path/only-in-path", 0o755)
	t.Setenv("PATH", filepath.Join(root, "path"))
	for _, test := range []struct{ program, name, want string }{
		{emperor, "vassal", vassal},
		{emperor, Server, server},
		{emperor, Helper, beside},
		{emperor, "emperor-native", native},
		{native, Server, server},
		{native, Helper, filepath.Join(root, "libexec/emperor/vassal-helper")},
		{native, "vassal", vassal},
		{filepath.Join(root, "elsewhere/bin/program"), Server, ""},
		{emperor, "only-in-path", ""},
		{emperor, "closed", ""},
	} {
		got, err := FindFor(test.program, test.name)
		if test.want != "" && (got != test.want || err != nil) {
			t.Errorf("%s finds %s at %q, %v; want %q", test.program, test.name, got, err, test.want)
		}
		if test.want == "" && (!errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), test.name) || filepath.Base(got) != test.name) {
			t.Errorf("%s finds %s at %q, %v; want an error", test.program, test.name, got, err)
		}
	}
	if _, err := FindFor(emperor, filepath.Base(closed)); err == nil || !strings.Contains(err.Error(), "libexec/emperor") {
		t.Errorf("the error is %v", err)
	}
	if path, err := Find("no such program"); err == nil || !filepath.IsAbs(path) {
		t.Errorf("found at %q, %v", path, err)
	}
}
