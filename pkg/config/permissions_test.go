package config

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPartialDoesNotBlock: a reading that only finds mistakes opens no file that may block.
func TestPartialDoesNotBlock(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mkfifo(filepath.Join(dir, "pipe.ini"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "[uwsgi]\ncommand = cat\ninclude = pipe.ini\nprocname = @(pipe.ini)\nfor-readline = pipe.ini\nenv = A=%(_)\nendfor =\n"
	l := Loader{Permissions: Permissions{Files: true, Dir: dir, Partial: true}}
	v, _, err := l.Vassal(Source{Name: "v.ini", Path: filepath.Join(dir, "v.ini"), Data: []byte(text)})
	if err != nil || len(v.Command) != 1 {
		t.Errorf("got %v, %v", v, err)
	}
}
