package dialect

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDir: relative names start in the given directory, as in a process that works there.
func TestDir(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"v.ini": "[uwsgi]\nini = sub/b.ini\nx = @(t) %v %o %p\nif-exists = t\nd = %(_)\nendif =\nfor-glob = sub/*\ne = %(_)\nendfor =\n" +
			"for-readline = t\nf = %(_)\nendfor =\nif-dir = sub\ng = 1\nendif =\n",
		"sub/b.ini": "[uwsgi]\nb = %p\n",
		"t":         "text\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func(access Permissions) string {
		r := New(ofUWSGI, access, "vassal")
		r.add("ini", "v.ini")
		result := r.Finish()
		for _, p := range result.Problems {
			t.Error(p)
		}
		return listed(result.Entries)
	}
	got := read(Permissions{Files: true, Dir: dir})
	t.Chdir(dir)
	if want := read(Permissions{Files: true}); got != want || !strings.Contains(want, "e=sub/b.ini") {
		t.Errorf("from outside:\n%s\nin it:\n%s", got, want)
	}
}
