package dns

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "files")
	if err := os.MkdirAll(filepath.Join(dir, "left"), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := NewFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("files of an earlier emperor are left: %v, %v", left, err)
	}
	mounts, err := f.Put("a/"+strings.Repeat("b", 300)+".ini", "hosts\n", "nameserver 192.0.2.53\nnameserver 192.0.2.54\n")
	if err != nil {
		t.Fatal(err)
	}
	if len(mounts) != 2 || mounts[0].Target != HostsFile || mounts[1].Target != ResolverFile {
		t.Fatalf("mounts are %v", mounts)
	}
	held, err := os.Open(mounts[1].Source) // as a mount holds it
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := f.Resolver("a/"+strings.Repeat("b", 300)+".ini", "nameserver 192.0.2.1\n"); err != nil {
		t.Fatal(err)
	}
	text := make([]byte, 100)
	n, _ := held.ReadAt(text, 0)
	if got := string(text[:n]); strings.TrimRight(got, "\n") != "nameserver 192.0.2.1" || len(got) != 44 {
		t.Errorf("a vassal that has the file reads %q", got)
	}
	if info, err := held.Stat(); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the mode is %v, %v", info.Mode(), err)
	}
	if err := f.Resolver("unknown.ini", "x"); err != nil {
		t.Error(err)
	}
	if err := f.Remove("a/" + strings.Repeat("b", 300) + ".ini"); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory is left: %v", err)
	}
}
