// Package generated tests whether a document in the repository matches the output of the code
// that generates it.
package generated

import (
	"bytes"
	"io"
	"os"
	"testing"
)

// Current fails the test when the file at path differs from the output of write. With
// EMPEROR_FIX_DOCS in the environment, as in `make docs`, it writes the file instead.
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
		t.Errorf("%s is out of date: run make docs", path)
	}
}
