package vassal

import (
	"os"
	"path/filepath"
	"testing"
)

func TestForAll(t *testing.T) {
	if !forAll("/bin/sh") {
		t.Error("/bin/sh is not for all")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "program")
	if err := os.WriteFile(file, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if forAll(file) {
		t.Error("a program in a directory of one user is for all")
	}
	if forAll(filepath.Join("/", "no", "such", "program")) {
		t.Error("a program that is not there is for all")
	}
}
