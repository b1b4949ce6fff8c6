package monitor

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A sweep finds the files that have changed, by any means, and the others need not be read.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	long := time.Now().Add(-time.Hour)
	names := []string{"chmod", "edited", "gone", "link", "replaced", "restored", "same", "touched"}
	for _, name := range append(names, "target") {
		write(t, at(name), "1")
	}
	known := map[string]fileStat{}
	for _, name := range names {
		if err := os.Chtimes(at(name), long, long); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(at(name))
		if err != nil {
			t.Fatal(err)
		}
		if known[name], _, err = statOf(int(f.Fd())); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	found := foundDir{path: dir, home: homeOf(t, dir)}
	if got := found.changed(known); len(got) > 0 {
		t.Errorf("%q have changed at the beginning", got)
	}
	time.Sleep(20 * time.Millisecond) // other times on any file system
	write(t, at("edited"), "2")
	write(t, at("restored"), "2")
	write(t, at("new"), "1")
	for _, err := range []error{
		os.Chmod(at("chmod"), 0o600), os.Remove(at("gone")), os.Remove(at("link")), os.Symlink("target", at("link")), os.Rename(at("new"), at("replaced")),
		os.Chtimes(at("restored"), long, long), os.Chtimes(at("touched"), time.Now(), time.Now()),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got := found.changed(known)
	slices.Sort(got)
	if want := "chmod edited gone link replaced restored touched"; strings.Join(got, " ") != want {
		t.Errorf("%q have changed, want %q", got, want)
	}
	for _, other := range []foundDir{{path: at("gone"), home: found.home}, {path: "/", home: found.home}} {
		if got := other.changed(known); len(got) != len(names) {
			t.Errorf("another directory at %s: %q", other.path, got)
		}
	}
}

// Only files that were read, and that depend on nothing else, are swept.
func TestCalm(t *testing.T) {
	stat := fileStat{uid: 1}
	stat.Ino = 1
	good := func() *entry { return &entry{config: Config{Name: "a.ini"}, stat: stat} }
	for name, c := range map[string]struct {
		change func(*files, *entry)
		want   bool
	}{
		"read":              {func(*files, *entry) {}, true},
		"just changed":      {func(_ *files, e *entry) { e.stat = fileStat{} }, false},
		"refused":           {func(_ *files, e *entry) { e.config.Err = errDangling }, false},
		"behind a link":     {func(_ *files, e *entry) { e.places = []place{{}} }, false},
		"missing":           {func(_ *files, e *entry) { e.missing = time.Now() }, false},
		"being written":     {func(_ *files, e *entry) { e.busy = &Config{} }, false},
		"being read":        {func(_ *files, e *entry) { e.reading = true }, false},
		"denied":            {func(_ *files, e *entry) { e.denied = true }, false},
		"of its owner":      {func(f *files, _ *entry) { f.options.Owners = &Owners{} }, false},
		"never read before": {func(f *files, _ *entry) { clear(f.entries) }, false},
	} {
		f, e := newFiles(DirOptions{Log: discard}), good()
		f.entries["a.ini"] = e
		c.change(&f, e)
		names := map[string]bool{"a.ini": true}
		if got := f.calm(names, nil); (len(got) == 1) != c.want || names["a.ini"] == c.want {
			t.Errorf("%s: %v, and %v is read", name, got, names)
		}
	}
	f := newFiles(DirOptions{Log: discard})
	f.entries["a.ini"] = good()
	if got := f.calm(map[string]bool{"a.ini": true}, map[string]bool{"a.ini": true}); len(got) > 0 {
		t.Error("a file with an event is swept")
	}
}
