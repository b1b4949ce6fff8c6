package termlog

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// A file that was renamed is opened again by its name; while it cannot be opened, the lines go
// elsewhere and the error is reported once.
func TestNamedFileFollowsItsName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "log")
	var elsewhere bytes.Buffer
	refused := 0
	n := NewNamed(path, func(error) { refused++ }, &elsewhere)
	say := func(text string) {
		t.Helper()
		if _, err := n.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	say("a")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	say("b")
	for name, want := range map[string]string{path + ".1": "a", path: "b"} {
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	say("c")
	say("d")
	if elsewhere.String() != "cd" || refused != 1 {
		t.Errorf("elsewhere: %q, told %d times", elsewhere.String(), refused)
	}
	if err := os.MkdirAll(path, 0o700); err != nil { // no plain file
		t.Fatal(err)
	}
	say("e")
	if elsewhere.String() != "cde" || refused != 1 {
		t.Errorf("elsewhere: %q, told %d times", elsewhere.String(), refused)
	}
}
