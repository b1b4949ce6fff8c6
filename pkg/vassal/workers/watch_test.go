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
		w := &watcher{dirs: map[int]watched{}, seen: map[string]version{}, roots: map[string]version{}}
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
