package config

import "testing"

// Whatever else is wrong, the line counts; a tenant's does not.
func TestFallbackOf(t *testing.T) {
	for text, want := range map[string]string{
		"[uwsgi]\nfallback-config = /a.ini\n":                                               "/a.ini",
		"[uwsgi]\nfallback-config = /a.ini\nfallback-config = /b.ini\n":                     "/b.ini",
		"[uwsgi]\nno-such = 1\nprocesses = x\n= y\nenv = %(\nfallback-config = /a.ini\n[\n": "/a.ini",
		"[uwsgi]\nif-env = NOT_SET\nfallback-config = /a.ini\nendif =\nx = %(\n":            "",
		"[other]\nfallback-config = /a.ini\n":                                               "",
		"":                                                                                  "",
	} {
		in := Input{Source: Source{Name: "a.ini", Path: "/a.ini", Data: []byte(text)}, Access: Access{Environ: []string{}}}
		if got := in.FallbackOf(); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		in.Source.Tenant = true
		if got := in.FallbackOf(); got != "" {
			t.Errorf("a tenant's %q: %q", text, got)
		}
	}
}
