package monitor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/reads"
)

// deafen ends all watches behind a watcher's back, as if the kernel sent no events.
func deafen(w *watcher) {
	done := make(chan struct{})
	w.session.do(func(n *fsnotify.Watcher) {
		defer close(done)
		for _, path := range n.WatchList() {
			_ = n.Remove(path)
		}
	})
	<-done
}

// listening is a watcher with its hints.
type listening struct {
	*watcher
	hints chan []hint
}

func listenTo(t *testing.T, dirs ...string) listening {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := listening{hints: make(chan []hint, 100)}
	var err error
	if l.watcher, err = newWatcher(ctx, l.hints); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		l.close()
	})
	for _, dir := range dirs {
		if err := l.add(dir); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// until waits for a hint.
func (l listening) until(t *testing.T, want hint) {
	t.Helper()
	for deadline := time.After(10 * time.Second); ; {
		select {
		case got := <-l.hints:
			if slices.Contains(got, want) {
				return
			}
		case <-deadline:
			t.Fatalf("no hint %+v", want)
		}
	}
}

// quiet fails if there is a hint for a while.
func (l listening) quiet(t *testing.T) {
	t.Helper()
	select {
	case got := <-l.hints:
		t.Errorf("unexpected hints %+v", got)
	case <-time.After(nothing):
	}
}

// drain drops the hints that have arrived.
func (l listening) drain() {
	for {
		select {
		case <-l.hints:
		case <-time.After(nothing):
			return
		}
	}
}

// A burst of events and a report of dropped events lose none at the borders of batches.
func TestBatchesLoseNothing(t *testing.T) {
	const files = 3*eventBatch + 7
	dir := t.TempDir()
	w := &watcher{dirs: map[string]*directory{dir: {paths: map[string]int{dir: 0}}}}
	s := &session{notify: &fsnotify.Watcher{Events: make(chan fsnotify.Event, eventBatch), Errors: make(chan error)}}
	go func() {
		for n := range files {
			s.notify.Events <- fsnotify.Event{Name: filepath.Join(dir, fmt.Sprint(n)), Op: fsnotify.Write}
			if n%eventBatch == 0 {
				s.notify.Errors <- fsnotify.ErrEventOverflow
			}
		}
		close(s.notify.Events)
	}()
	found, overflows := map[string]bool{}, 0
	for open := true; open; {
		var hints []hint
		hints, open = s.batch(w)
		for _, h := range hints {
			if found[h.entry] = true; h == (hint{}) {
				overflows++
			}
		}
	}
	if len(found) != files+1 || overflows != 1+files/eventBatch {
		t.Errorf("%d of %d files and %d of %d overflows have arrived", len(found)-1, files, overflows, 1+files/eventBatch)
	}
}

// Each path of a directory gets its events, until it is removed.
func TestTwoPathsOfADirectory(t *testing.T) {
	dir := t.TempDir()
	first, second := mkdir(t, filepath.Join(dir, "d")), filepath.Join(dir, "l")
	link(t, "d", second)
	l := listenTo(t, first, second)
	write(t, filepath.Join(first, "a"), "1")
	l.until(t, hint{dir: first, entry: "a"})
	l.drain()
	l.remove(first)
	l.until(t, hint{dir: second}) // for changes in between
	write(t, filepath.Join(first, "b"), "1")
	l.until(t, hint{dir: second, entry: "b"})
	l.drain()
	l.remove(second)
	write(t, filepath.Join(first, "c"), "1")
	l.quiet(t)
	if got := l.list(); len(got) > 0 {
		t.Errorf("still watches %v", got)
	}
}

// A path that leads to another directory than before gets the events of that one alone.
func TestPathThatLeadsElsewhere(t *testing.T) {
	dir := t.TempDir()
	before, after, path := mkdir(t, filepath.Join(dir, "before")), mkdir(t, filepath.Join(dir, "after")), filepath.Join(dir, "l")
	link(t, "before", path)
	l := listenTo(t, path)
	remove(t, path)
	link(t, "after", path)
	if err := l.add(path); err != nil {
		t.Fatal(err)
	}
	l.drain()
	write(t, filepath.Join(before, "a"), "1")
	l.quiet(t)
	write(t, filepath.Join(after, "b"), "1")
	l.until(t, hint{dir: path, entry: "b"})
}

// A directory that goes is reported, and not watched any more.
func TestDirectoryThatGoes(t *testing.T) {
	for name, goes := range map[string]func(string) error{
		"removed": os.RemoveAll,
		"moved":   func(dir string) error { return os.Rename(dir, dir+".away") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := mkdir(t, filepath.Join(t.TempDir(), "d"))
			l := listenTo(t, dir)
			if err := goes(dir); err != nil {
				t.Fatal(err)
			}
			l.until(t, hint{dir: dir})
			if l.has(dir) {
				t.Error("it is still watched")
			}
		})
	}
}

func TestOnlyDirectoriesAreWatched(t *testing.T) {
	l, file := listenTo(t), filepath.Join(t.TempDir(), "f")
	if err := l.add(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
	write(t, file, "1")
	if err := l.add(file); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("a file: %v", err)
	}
}

// When the kernel has dropped events, everything is read again.
func TestLostEvents(t *testing.T) {
	l := listenTo(t)
	l.session.notify.Errors <- fsnotify.ErrEventOverflow
	l.until(t, hint{})
}

// A directory whose watch hangs in the kernel holds up no other for longer than a read may.
func TestWatchThatHangs(t *testing.T) {
	dir := t.TempDir()
	l, released := listenTo(t, dir), make(chan struct{})
	defer close(released)
	l.session.do(func(*fsnotify.Watcher) { <-released })
	begun := time.Now()
	if err := l.add(dir); !errors.Is(err, reads.ErrSlow) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(begun); took > reads.Limit+5*time.Second {
		t.Errorf("it took %v", took)
	}
	l.until(t, hint{})
	if err := l.add(dir); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "a"), "1")
	l.until(t, hint{dir: dir, entry: "a"})
}

// fsnotify reports neither that a file system is unmounted, nor that one is mounted over a
// directory.
func TestMountsAreSeen(t *testing.T) {
	if !inMounts(t) {
		return
	}
	dir := mkdir(t, filepath.Join(t.TempDir(), "d"))
	other := t.TempDir()
	l := listenTo(t, dir, other)
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	l.until(t, hint{dir: dir})
	if l.has(dir) || !l.has(other) {
		t.Errorf("watches %v", l.list())
	}
	if err := l.add(dir); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "a"), "1")
	l.until(t, hint{dir: dir, entry: "a"})
	umount(t, dir)
	l.until(t, hint{dir: dir})
}

// No event reports that a writer has closed a file in which it has changed nothing any more.
func TestFileThatStaysOpen(t *testing.T) {
	d, dir := newDir(t, 0)
	r := run(t, d)
	r.until(t, "")
	f, err := os.Create(filepath.Join(dir, "a.ini"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("1"); err != nil {
		t.Fatal(err)
	}
	r.quiet(t)
	f.Close()
	r.until(t, "a.ini=1")
}
