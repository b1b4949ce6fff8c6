package libexec

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// copyOf copies a program into a file with a mode.
func copyOf(t *testing.T, program, path string, mode os.FileMode) string {
	t.Helper()
	text, err := os.ReadFile(program)
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err == nil {
		err = os.Chmod(path, mode)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A held program runs after another one has taken its place, also by a child and without permission to
// read it.
func TestHeldProgramIsNotReplaced(t *testing.T) {
	path := copyOf(t, "/bin/echo", filepath.Join(t.TempDir(), "program"), 0o711)
	p, err := Hold(path)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.File == nil || p.Path != path || int(p.File.Fd()) < heldFD {
		t.Fatalf("held as %+v", p)
	}
	if err := os.Rename(copyOf(t, "/bin/false", path+".new", 0o755), path); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(p.At, "first").Output(); string(out) != "first\n" || err != nil {
		t.Errorf("it prints %q, %v", out, err)
	}
}

// A program that other users can change is refused, and a script is executed by its path.
func TestHoldRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name, want string
		mode       os.FileMode
		uid, gid   int
	}{
		{"of all", "every user can change it (chmod o-w)", 0o757, -1, -1},
		{"of a group", "gid 4001 can change it (chmod g-w)", 0o775, -1, 4001},
		{"of another", "it belongs to uid 4001 (chown root)", 0o755, 4001, -1},
		{"of readers", "", 0o755, -1, 4001},
	} {
		path := copyOf(t, "/bin/true", filepath.Join(dir, c.name), c.mode)
		if c.uid+c.gid > 0 {
			if err := os.Chown(path, c.uid, c.gid); err != nil {
				t.Logf("%s: %v", c.name, err)
				continue
			}
		}
		p, err := Hold(path)
		p.Close()
		switch {
		case err == nil && c.want != "":
			t.Errorf("%s is held", c.name)
		case err != nil && err.Error() != `cannot use "`+path+`": `+c.want:
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := Hold(dir); err == nil || !strings.Contains(err.Error(), "it is no file") {
		t.Errorf("a directory: %v", err)
	}
	if _, err := Hold(filepath.Join(dir, "none")); err == nil {
		t.Error("a missing program is held")
	}
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if p, err := Hold(script); err != nil || p.File != nil || p.At != script {
		t.Errorf("a script: %+v, %v", p, err)
	}
	whole, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 100, len(whole) / 2} {
		cut := filepath.Join(dir, "cut")
		if err := os.WriteFile(cut, whole[:size], 0o755); err != nil {
			t.Fatal(err)
		}
		if p, err := Hold(cut); err != nil || p.File != nil || p.At != cut {
			t.Errorf("a program that ends after %d bytes: %+v, %v", size, p, err)
		}
	}
}

// A child has the descriptors that the variable names, and the names are gone from its environment.
func TestPassedPrograms(t *testing.T) {
	dir := t.TempDir()
	main := copyOf(t, "/bin/true", filepath.Join(dir, "vassal"), 0o711)
	copyOf(t, "/bin/true", filepath.Join(dir, Server), 0o711)
	all, err := HoldAll(main, Server, Helper)
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	files, environ := all.Pass([]*os.File{nil, nil, nil, nil, nil})
	if len(files) != 6 || files[5] != all.Companions[0].File || len(environ) != 1 || !IsPassed(environ[0]) {
		t.Fatalf("%d files, %q", len(files), environ)
	}
	name, value, _ := strings.Cut(environ[0], "=")
	t.Setenv(name, value)
	fds, err := Passed()
	if _, left := os.LookupEnv(name); err != nil || len(fds) != 1 || fds[Server] != 5 || left {
		t.Errorf("passed %v, %v", fds, err)
	}
	if fds, err = Passed(); fds != nil || err != nil {
		t.Errorf("passed again %v, %v", fds, err)
	}
	for _, wrong := range []string{"vassal-server", "vassal-server=x", "vassal-server=2"} {
		t.Setenv(name, wrong)
		if _, err := Passed(); err == nil {
			t.Errorf("%q is accepted", wrong)
		}
	}
	var none *Programs
	if files, environ := none.Pass(files[:1]); len(files) != 1 || environ != nil || none.At("x") != "x" {
		t.Error("no programs are passed")
	}
}
