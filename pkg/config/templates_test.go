package config

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestTenantBeside: a tenant's file may not open or run anything, even when it is read with
// all rights.
func TestTenantBeside(t *testing.T) {
	for text, want := range map[string]string{
		"include = /etc/passwd.ini":         "no other file may be opened",
		"ini = exec://id":                   "nothing may be run",
		"ini = fd://0":                      "nothing may be run",
		"harakiri = @(exec://id)":           "nothing may be run",
		"harakiri = @(/etc/shadow)":         "no other file may be opened",
		"if-exists = /root/x\na = 1":        "no other file may be opened",
		"for-readline = /etc/shadow\na = 1": "no other file may be opened",
		"inject-before = /etc/shadow":       "no other file may be opened",
		"resolve = a=localhost":             "nothing may be run",
		"ini = -":                           "nothing may be run",
		"inherit = /etc/passwd.ini":         "no other file may be opened",
		"if-opt = no\na = 1":                "a block has no end",
		"ienv = HOME=/tmp":                  "not permitted in a tenant's own file",
		"blacklist = umask":                 "the option is on the blacklist",
		"whitelist = env":                   "the option is not on the whitelist",
	} {
		l := ownLoader
		l.Templates.Include = []Template{Source{Name: "t.ini", Path: "/t/t.ini", Data: []byte("[uwsgi]\numask = 027\n")}.Template()}
		_, _, err := l.Vassal(Source{Name: "v.ini", Path: "/v/v.ini", Data: []byte("[uwsgi]\n" + text + "\n"), Tenant: true})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

// TestAttributes: the section for the emperor is not expanded.
func TestAttributes(t *testing.T) {
	text := "a = 0\n[emperor]\na = %n\nb = %(a)\na = 2\nc\n[uwsgi]\nd = 1\n[emperor]\ne = 3\n"
	got := Attributes(Source{Name: "v.ini", Data: []byte(text)})
	if want := map[string]string{"a": "2", "b": "%(a)", "c": "", "e": "3"}; !maps.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Attributes(Source{Name: "v.yaml", Data: []byte(text)}); got != nil {
		t.Errorf("YAML has %q", got)
	}
}

// TestIdleKeys: keys of templates and of vassal-set, which other vassals may use, are not
// reported; keys of the vassal's own file and of a file that it includes are.
func TestIdleKeys(t *testing.T) {
	template := func(name, text string) []Template {
		return []Template{Source{Name: name, Path: "/t/" + name, Data: []byte("[uwsgi]\n" + text)}.Template()}
	}
	l := Loader{
		Permissions: Permissions{Files: true, Environ: []string{"UWSGI_FROM_ENVIRONMENT=1"}, Dir: t.TempDir()},
		Templates:   Templates{IncludeBefore: template("b.ini", "b = %n %N %(d)\n"), Set: [][]byte{[]byte("d=1")}, Inherit: template("i.ini", "j = %n\n")},
	}
	if err := os.WriteFile(l.Permissions.Dir+"/more.ini", []byte("[uwsgi]\nbazaar = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, warnings, problems := l.ExamineVassal(Source{Name: "v.ini", Path: "/v/v.ini", Data: []byte("[uwsgi]\ncommand = cat\nmine = %(d)\ninclude = more.ini\n")})
	var told []string
	for _, w := range warnings {
		told = append(told, filepath.Base(w.Origin.File)+" "+w.What)
	}
	slices.Sort(told)
	want := []string{"more.ini no option of uWSGI or of emperor: bazaar", "v.ini no option of uWSGI or of emperor: mine"}
	if !slices.Equal(told, want) || len(problems) > 0 {
		t.Errorf("told: %q, want %q; problems: %v", told, want, problems)
	}
}
