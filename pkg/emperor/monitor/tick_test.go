package monitor

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// The second of two edits with one time and one size, as on file systems without fine timestamps,
// is read although the first was read in between.
func TestTwoEditsInOneTick(t *testing.T) {
	if !inMounts(t) {
		return
	}
	dir := t.TempDir()
	if err := unix.Mount("ram", dir, "ramfs", 0, ""); err != nil {
		t.Skipf("no file system with coarse timestamps: %v", err)
	}
	defer umount(t, dir)
	path := filepath.Join(dir, "a.ini")
	home := homeOf(t, dir)
	f := newFiles(DirOptions{Log: discard})
	at := func(string) error { return nil }
	read := func(known fileStat) result { return f.read(at, home, path, known) }
	for range 1000 {
		write(t, path, "1")
		first := read(fileStat{})
		write(t, path, "2")
		second := read(first.known())
		if first.err != nil || second.err != nil {
			t.Fatal(first.err, second.err)
		}
		if first.stat == second.stat {
			if string(second.data) != "2" {
				t.Errorf("the second edit was not read: %+v", second)
			}
			return
		}
	}
	t.Error("no two edits had one time")
}

func homeOf(t *testing.T, dir string) dirIdentity {
	t.Helper()
	d, err := NewDir(dir, DirOptions{Log: discard})
	if err != nil {
		t.Fatal(err)
	}
	found, err := d.examine(func(string) error { return nil }, dir, dirIdentity{}, true, d.list)
	if err != nil {
		t.Fatal(err)
	}
	return found.home
}
