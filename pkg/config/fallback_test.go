package config

import (
	"os"
	"path/filepath"
	"testing"
)

// The line counts even when everything else is wrong; a tenant's does not.
func TestFallbackOf(t *testing.T) {
	for text, want := range map[string]string{
		"[uwsgi]\nfallback-config = /a.ini\n":                                               "/a.ini",
		"[uwsgi]\nfallback-config = /a.ini\nfallback-config = /b.ini\n":                     "/b.ini",
		"[uwsgi]\nno-such = 1\nprocesses = x\n= y\nenv = %(\nfallback-config = /a.ini\n[\n": "/a.ini",
		"[uwsgi]\nif-env = NOT_SET\nfallback-config = /a.ini\nendif =\nx = %(\n":            "",
		"[other]\nfallback-config = /a.ini\n":                                               "",
		"":                                                                                  "",
	} {
		src := Source{Name: "a.ini", Path: "/a.ini", Data: []byte(text)}
		if got := (Loader{}).Fallback(src); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		src.Tenant = true
		if got := (Loader{}).Fallback(src); got != "" {
			t.Errorf("a tenant's %q: %q", text, got)
		}
	}
}

// A mistake on the command line activates no fallback: a command that was to check a file must
// not run another file.
func TestFallbackOfArgs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.ini")
	if err := os.WriteFile(file, []byte("[uwsgi]\nfallback-config = /b.ini\nstrict = true\nno-such = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{file}, "/b.ini"},
		{[]string{"--ini", file}, "/b.ini"},
		{[]string{"--uid", "no-such-user", file}, "/b.ini"},
		{[]string{"--check", file}, ""},
		{[]string{file, "--no-such=1"}, ""},
		{[]string{file, "--uid"}, ""},
		{[]string{"--version", file}, ""},
	} {
		if got := ownLoader.FallbackOfArgs(c.args); got != c.want {
			t.Errorf("%q: %q, want %q", c.args, got, c.want)
		}
	}
}
