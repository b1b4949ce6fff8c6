package monitor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A file that is complete does not wait until its directory is quiet; others do.
func TestCompleteFilesDoNotWait(t *testing.T) {
	for name, tt := range map[string]struct {
		put  func(t *testing.T, path string)
		want string
	}{
		"renamed in the directory": {func(t *testing.T, path string) {
			write(t, path+".tmp", "new")
			rename(t, path+".tmp", path)
		}, "a.ini=new"},
		"moved from elsewhere": {func(t *testing.T, path string) {
			from := filepath.Join(t.TempDir(), "old")
			write(t, from, "new")
			chtimes(t, from, time.Now().Add(-2*time.Hour))
			rename(t, from, path)
		}, "a.ini=new"},
		"a link to an older file": {func(t *testing.T, path string) {
			to := filepath.Join(t.TempDir(), "old")
			write(t, to, "new")
			chtimes(t, to, time.Now().Add(-2*time.Hour))
			link(t, to, path)
		}, "a.ini=new"},
		"written in place":        {func(t *testing.T, path string) { write(t, path, "half") }, ""},
		"touched":                 {func(t *testing.T, path string) { write(t, path, ""); chtimes(t, path, time.Now()) }, ""},
		"a link without a target": {func(t *testing.T, path string) { link(t, "later", path) }, ""},
		"moved from elsewhere, just written": {func(t *testing.T, path string) {
			from := filepath.Join(t.TempDir(), "new")
			write(t, from, "new")
			rename(t, from, path)
		}, ""},
		"renamed and still open": {func(t *testing.T, path string) {
			f, err := os.Create(path + ".tmp")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			rename(t, path+".tmp", path)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d, dir := newDir(t, 0)
			d.pace.settle, d.pace.most = time.Hour, time.Hour
			r := run(t, d)
			r.until(t, "")
			time.Sleep(2 * hastyPause)
			tt.put(t, filepath.Join(dir, "a.ini"))
			if tt.want == "" {
				r.quiet(t)
				return
			}
			if got := render(r.next(t)); got != tt.want {
				t.Errorf("reported %q, want %q", got, tt.want)
			}
			r.quiet(t)
		})
	}
}

// A file away and a new one at its path are no rename.
func TestNameThatIsMadeAgainIsNotRenamed(t *testing.T) {
	dir := t.TempDir()
	l, path := listenTo(t, dir), filepath.Join(dir, "a")
	write(t, path, "1")
	rename(t, path, filepath.Join(t.TempDir(), "away"))
	write(t, path, "2")
	l.until(t, hint{dir: dir, entry: "a"})
	rename(t, path, filepath.Join(dir, "b"))
	l.until(t, hint{dir: dir, entry: "b", renamed: true})
}

// The first event after a pause is read at once, later ones after the quiet time.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, hints := newPace(), []hint{{dir: "/d", entry: "a.ini"}}
		var got []string
		arrive := func() {
			wait, due := p.arrive(hints)
			if due {
				got = append(got, "at once")
				return
			}
			got = append(got, wait.String())
		}
		p.begin() // of everything, at the start
		p.end()
		time.Sleep(settle)
		arrive()
		p.begin()
		if p.now.accepts("/d/a.ini", time.Now().Add(-settle/2), settle) || !p.now.accepts("/d/a.ini", time.Now().Add(-settle), settle) {
			t.Error("a hasty read accepts exactly the older file")
		}
		p.now.left = true
		if !p.end() {
			t.Error("the file that was left is not read again")
		}
		time.Sleep(settle / 2)
		arrive()
		time.Sleep(settleMax - settle)
		arrive()
		p.quiet()
		p.begin()
		if !p.now.accepts("/d/a.ini", time.Now(), settle) {
			t.Error("a read after the quiet time does not accept every file")
		}
		if p.end() {
			t.Error("there is another read")
		}
		arrive()
		if want := "at once 10ms 5ms 10ms"; strings.Join(got, " ") != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
