package atomicfile

import (
	"os"
	"path/filepath"
	"testing"
)

// TestWrite: the file has its content and its mode, replaces a link and not the link's target, and has the identity
// that is returned.
func TestWrite(t *testing.T) {
	dir, beside := t.TempDir(), t.TempDir()
	path, target := filepath.Join(dir, "f"), filepath.Join(beside, "target")
	if err := os.WriteFile(target, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    Options
		mode os.FileMode
	}{
		{Options{}, 0o600},
		{Options{Mode: 0o666, Sync: true}, 0o666},
		{Options{Mode: 0o644, Owner: &Owner{os.Geteuid(), -1}, Beside: beside}, 0o644},
	} {
		made, err := Write(path, []byte("text"), c.o)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil || string(text) != "text" {
			t.Errorf("%+v: %q, %v", c.o, text, err)
		}
		if now, err := os.Lstat(path); err != nil || now.Mode() != c.mode || !os.SameFile(now, made) {
			t.Errorf("%+v: %v, want mode %v, %v", c.o, now, c.mode, err)
		}
	}
	if text, err := os.ReadFile(target); err != nil || string(text) != "kept" {
		t.Errorf("the target of the link: %q, %v", text, err)
	}
	entries(t, dir, "f")
	entries(t, beside, "target")
}

// TestFailedWrite: after an error the old file is there, and nothing else.
func TestFailedWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "d")
	if err := os.Mkdir(path, 0o700); err != nil { // rename(2) replaces no directory by a file
		t.Fatal(err)
	}
	if info, err := Write(path, []byte("text"), Options{}); err == nil || info != nil {
		t.Errorf("a directory was replaced: %v", info)
	}
	entries(t, dir, "d")
	if _, err := Write(filepath.Join(dir, "none", "f"), nil, Options{}); !os.IsNotExist(err) {
		t.Errorf("without a directory: %v", err)
	}
}

// entries checks that a directory has one entry.
func entries(t *testing.T, dir, name string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil || len(list) != 1 || list[0].Name() != name {
		t.Errorf("in %s: %v, %v, want %s", dir, list, err, name)
	}
}
