package inotify

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const mask = unix.IN_CREATE | unix.IN_DELETE

func watch(t *testing.T) *Watcher {
	t.Helper()
	w, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func events(t *testing.T, w *Watcher) (all []Event) {
	t.Helper()
	read, err := w.Read(time.Now().Add(10 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for e := range read {
		all = append(all, e)
	}
	return all
}

func TestEvents(t *testing.T) {
	w, dir := watch(t), t.TempDir()
	number, err := w.Add(dir, mask)
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.Add(dir+"/.", mask)
	if err != nil || again != number {
		t.Errorf("another path has number %d, want %d, %v", again, number, err)
	}
	for _, name := range []string{"a", "a-longer-name"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	want := []Event{{number, unix.IN_CREATE | unix.IN_ISDIR, "a"}, {number, unix.IN_CREATE | unix.IN_ISDIR, "a-longer-name"}}
	got := events(t, w)
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %v, want %v", got, want)
	}
	w.Remove(number)
	if got := events(t, w); len(got) != 1 || got[0].Mask != unix.IN_IGNORED || got[0].Name != "" || got[0].Lost() {
		t.Errorf("after the removal: %v", got)
	}
}

func TestOnlyDirectories(t *testing.T) {
	w, file := watch(t), filepath.Join(t.TempDir(), "file")
	if _, err := w.Add(file, mask); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Add(file, mask); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("a file: %v", err)
	}
}

func TestReadEnds(t *testing.T) {
	w := watch(t)
	if _, err := w.Read(time.Now().Add(time.Millisecond)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
	ended := make(chan error)
	go func() {
		_, err := w.Read(time.Time{})
		ended <- err
	}()
	w.Close()
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := w.Add(t.TempDir(), mask); err == nil {
		t.Error("a closed watcher has watched")
	}
}
