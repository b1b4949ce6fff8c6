package monitor

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// based shortens the names of a Glob to the part after its base.
type based struct{ *Glob }

func (b based) Run(ctx context.Context, report func(Set)) error {
	return b.Glob.Run(ctx, func(s Set) {
		short := append(Set{}, s...)
		for i := range short {
			short[i].Name = strings.TrimPrefix(short[i].Name, b.pattern.base+"/")
		}
		report(short)
	})
}

func newGlob(t *testing.T, pattern string) (*Glob, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "vassals")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	g, err := NewGlob(filepath.Join(dir, pattern), DirOptions{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return g, dir
}

// A pattern may lead through directories that appear and disappear.
func TestGlobThroughDirectories(t *testing.T) {
	g, dir := newGlob(t, "*/conf/v?.ini")
	r := run(t, based{g})
	r.until(t, "")
	if err := os.MkdirAll(filepath.Join(dir, "one", "conf"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "one", "conf", "v1.ini"), "1")
	write(t, filepath.Join(dir, "one", "conf", "other.ini"), "x")
	write(t, filepath.Join(dir, "one", "conf", "v2.txt"), "x")
	r.until(t, "one/conf/v1.ini=1")
	if err := os.MkdirAll(filepath.Join(dir, "two"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../one/conf", filepath.Join(dir, "two", "conf")); err != nil {
		t.Fatal(err)
	}
	r.until(t, "one/conf/v1.ini=1 two/conf/v1.ini=1")
	write(t, filepath.Join(dir, "one", "conf", "v1.ini"), "2")
	r.until(t, "one/conf/v1.ini=2 two/conf/v1.ini=2")
	if err := os.RemoveAll(filepath.Join(dir, "two")); err != nil {
		t.Fatal(err)
	}
	r.until(t, "one/conf/v1.ini=2")
}

// The names are whole paths, as in uWSGI.
func TestGlobNames(t *testing.T) {
	g, dir := newGlob(t, "*")
	path := filepath.Join(dir, "a.ini")
	write(t, path, "1")
	if set := run(t, g).next(t); len(set) != 1 || set[0].Name != path || set[0].Path != path {
		t.Errorf("%q", render(set))
	}
	if _, err := NewGlob("/srv/[", DirOptions{}); err == nil {
		t.Error("a wrong pattern is taken")
	}
}

func TestGlobThatCannotBeReadKeepsItsVassals(t *testing.T) {
	g, dir := newGlob(t, "*/v.ini")
	if err := os.Mkdir(filepath.Join(dir, "one"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "one", "v.ini"), "1")
	r := run(t, based{g})
	r.until(t, "one/v.ini=1")
	rename(t, dir, dir+".away")
	r.quiet(t)
	rename(t, dir+".away", dir)
	write(t, filepath.Join(dir, "one", "v.ini"), "2")
	r.until(t, "one/v.ini=2")
	if !strings.Contains(r.log.String(), "cannot read the directory; its vassals keep running") {
		t.Errorf("the log does not say so:\n%s", r.log)
	}
}

// With NoFollow only the link itself counts.
func TestNoFollow(t *testing.T) {
	d, dir := newDir(t, 0)
	d.options.NoFollow = true
	target := filepath.Join(t.TempDir(), "target")
	write(t, target, "1")
	path := filepath.Join(dir, "a.ini")
	link(t, target, path)
	r := run(t, d)
	r.until(t, "a.ini=1")
	write(t, target, "2")
	d.Rescan()
	r.quiet(t)
	link(t, target, path+".new")
	rename(t, path+".new", path)
	r.until(t, "a.ini=2")
}

// An executable file is executed when root or this process's user owns it.
func TestMagicExec(t *testing.T) {
	d, dir := newDir(t, 0)
	d.options.MagicExec = true
	program := func(name, text string) {
		t.Helper()
		temporary := filepath.Join(dir, ".new")
		write(t, temporary, "#!/bin/sh\n"+text)
		if err := os.Chmod(temporary, 0o755); err != nil {
			t.Fatal(err)
		}
		rename(t, temporary, filepath.Join(dir, name))
	}
	write(t, filepath.Join(dir, "b.ini"), "as it stands")
	program("a.ini", "echo made by ${0##*/}")
	r := run(t, d)
	r.until(t, "a.ini=made by 3\n b.ini=as it stands")
	program("a.ini", "echo it broke >&2; exit 3")
	r.until(t, "a.ini=(cannot be executed: exit status 3: it broke) b.ini=as it stands")
	program("a.ini", "echo text; sleep 3 &")
	r.until(t, "a.ini=(has left a process that holds its output open (redirect the output of that process)) b.ini=as it stands")
	program("a.ini", "true")
	r.until(t, "a.ini=(prints nothing) b.ini=as it stands")
	program("a.ini", "head -c 2000000 /dev/zero")
	r.until(t, "a.ini=(prints more than 1048576 bytes) b.ini=as it stands")
}

// A file that a process keeps open for writing is left alone, and a full rescan gives the
// reason.
func TestBusyFilesAreNamed(t *testing.T) {
	g, dir := newGlob(t, "*.ini")
	d, err := NewDir(dir, DirOptions{})
	if err != nil {
		t.Fatal(err)
	}
	open, err := os.Create(filepath.Join(dir, "a.ini"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	for m, rescan := range map[Monitor]func(){based{g}: g.Rescan, d: d.Rescan} {
		r := run(t, m)
		r.until(t, "")
		rescan()
		r.logs(t, "a.ini")
	}
}
