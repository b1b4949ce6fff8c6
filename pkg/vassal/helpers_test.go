package vassal

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/emperor-go/emperor/internal/programs"
)

func TestForAll(t *testing.T) {
	if !programs.ForAll("/bin/sh") {
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
	if programs.ForAll(file) {
		t.Error("a program in a directory of one user is for all")
	}
	if programs.ForAll(filepath.Join("/", "no", "such", "program")) {
		t.Error("a program that is not there is for all")
	}
}
