package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
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
	read := func(access Access) string {
		r := newReader(access, "vassal")
		r.add("ini", "v.ini")
		list := r.finish()
		for _, p := range r.problems {
			t.Error(p)
		}
		return listed(list)
	}
	got := read(Access{Files: true, Dir: dir})
	t.Chdir(dir)
	if want := read(Access{Files: true}); got != want || !strings.Contains(want, "e=sub/b.ini") {
		t.Errorf("from outside:\n%s\nin it:\n%s", got, want)
	}
}

// TestPartialDoesNotBlock: a reading that only finds mistakes opens no file that may block.
func TestPartialDoesNotBlock(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mkfifo(filepath.Join(dir, "pipe.ini"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "[uwsgi]\ncommand = cat\ninclude = pipe.ini\nprocname = @(pipe.ini)\nfor-readline = pipe.ini\nenv = A=%(_)\nendfor =\n"
	in := Input{
		Source: Source{Name: "v.ini", Path: filepath.Join(dir, "v.ini"), Data: []byte(text)},
		Access: Access{Files: true, Dir: dir, Partial: true},
	}
	v, _, err := in.Parse()
	if err != nil || len(v.Command) != 1 {
		t.Errorf("got %v, %v", v, err)
	}
}
