package workers

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// Without events, files and the roots of trees are polled.
func TestWatchWithoutEvents(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		file, tree := filepath.Join(dir, "sub", "file"), filepath.Join(dir, "sub")
		w := &watcher{dirs: map[int]watched{}, seen: map[string]version{}, roots: map[string]identity{}}
		if err := w.addAll([]string{file}, []string{tree}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		said := map[string]int{}
		go w.poll(ctx, func(e Event) { said[e.(fileChanged).name]++ })
		if err := os.Mkdir(tree, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * recheckInterval)
		cancel()
		synctest.Wait()
		if len(said) != 2 || said[file] != 1 || said[tree] != 1 {
			t.Errorf("it said %v", said)
		}
	})
}

// The second of two edits with one time and one size is a change, although the first was seen in
// between. A later change of the permissions is none.
func TestTwoEditsInOneTick(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	edit := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, time.Time{}, time.Unix(1000, 0)); err != nil { // one tick
			t.Fatal(err)
		}
	}
	w := &watcher{dirs: map[int]watched{}, seen: map[string]version{}, roots: map[string]identity{}}
	event := func() bool {
		changed := map[string]bool{}
		w.note(watched{files: []string{file}}, "file", changed)
		return changed[file]
	}
	for first := true; first || w.seen[file].settled; first = false { // unless the test was paused
		edit("1")
		if err := w.addAll([]string{file}, nil); err != nil {
			t.Fatal(err)
		}
	}
	edit("2")
	if !event() {
		t.Error("the second edit is no change")
	}
	time.Sleep(2 * time.Second) // a file system may store whole seconds
	w.settle()
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if event() {
		t.Error("a later change of the permissions is a change of the file")
	}
}
