package monitor

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The results equal the results of glob(3).
func TestExpand(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"v/a/x.ini", "v/b/x.ini", "v/.c/x.ini", "v/b/y[1].ini", "v/b/y1.ini", "v/!/x.ini"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), "")
	}
	for pattern, want := range map[string]string{
		"v/*/x.ini":             "v/!/x.ini v/a/x.ini v/b/x.ini",
		"./v/*/../a/x.ini":      "./v/!/../a/x.ini ./v/a/../a/x.ini ./v/b/../a/x.ini",
		"v//a/*":                "v//a/x.ini",
		"v/.*/x.ini":            "v/.c/x.ini",
		"v/[!a]/x.ini":          "v/!/x.ini v/b/x.ini",
		"v/[^a]/x.ini":          "v/!/x.ini v/b/x.ini",
		"v/b/y[1].ini":          "v/b/y1.ini",
		Literal("v/b/y[1].ini"): "v/b/y[1].ini",
		Literal("v/!/x.ini"):    "v/!/x.ini",
		"v/a/x.ini":             "v/a/x.ini",
		"v/none.ini":            "",
		"v/a/x.ini/*":           "",
		dir + "/v/a/*.ini":      dir + "/v/a/x.ini",
	} {
		if got := strings.Join(Expand(dir, pattern), " "); got != want {
			t.Errorf("%s: %q, want %q", pattern, got, want)
		}
	}
	if !slices.Equal(Expand(dir, "/"), []string{"/"}) {
		t.Error("the root is not itself")
	}
}

// TestDirectories: every directory in which a new entry can fit a pattern is listed, files
// or not.
func TestDirectories(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"v/a/w", "v/b", "empty", "link"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "v/file"), "")
	link(t, "../v/b", filepath.Join(dir, "link/l"))
	for pattern, want := range map[string]string{
		"v/*/x.ini":            "v v/a v/b",
		"v/*/w/*.ini":          "v v/a v/a/w v/b",
		"empty/*.ini":          "empty",
		"empty/x.ini":          "empty",
		"link/*/x.ini":         "link link/l",
		"none/*.ini":           "",
		dir + "/empty/*/x.ini": "empty",
	} {
		var got []string
		for _, path := range Directories(dir, pattern) {
			got = append(got, strings.TrimPrefix(path, dir+"/"))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", pattern, got, want)
		}
	}
}

// Names equal uWSGI's %p: links in directories are followed, and a file that is a link keeps
// its name.
func TestLocated(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "real"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "real/a.ini"), "")
	link(t, "real", filepath.Join(dir, "via"))
	link(t, "real/a.ini", filepath.Join(dir, "real/linked.ini"))
	for _, tt := range []struct{ name, dir, path, where string }{
		{"a.ini", "via", "real/a.ini", "real"},
		{"linked.ini", "via", "real/linked.ini", "real"},
		{"./via/a.ini", "", "real/a.ini", ""},
		{"./via/linked.ini", "", "./via/linked.ini", ""},
		{"gone.ini", "nowhere", "as it was", "nowhere"},
	} {
		c := Config{Name: tt.name, Dir: filepath.Join(dir, tt.dir), Path: dir + "/as it was"}.Located()
		if c.Path != dir+"/"+tt.path || c.Dir != filepath.Join(dir, tt.where) {
			t.Errorf("%s in %q: %q in %q", tt.name, tt.dir, c.Path, c.Dir)
		}
	}
}
