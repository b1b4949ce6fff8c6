// Package generated answers one question, for tests: is a document still what the
// code makes of it?
package generated

import (
	"bytes"
	"io"
	"os"
	"testing"
)

// Current fails when the file at path is not what write prints. With
// EMPEROR_FIX_DOCS in the environment, as `make docs` sets it, it makes it so.
func Current(t *testing.T, path string, write func(io.Writer) error) {
	t.Helper()
	var want bytes.Buffer
	if err := write(&want); err != nil {
		t.Fatal(err)
	}
	if os.Getenv("EMPEROR_FIX_DOCS") != "" {
		if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is not what the code makes of it: make docs", path)
	}
}
