package workers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/inotify"
)

// quiet is how long a file must not change before a change counts: programs write in several
// steps.
const quiet = 50 * time.Millisecond

// lookAgain is the interval in which paths are checked for another destination.
const lookAgain = 3 * time.Second

// changes are the events by which a file may have become another.
const changes = unix.IN_CLOSE_WRITE | unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE | unix.IN_ATTRIB

// version distinguishes two states of a file. The version of no file is zero.
type version struct {
	dev, ino uint64
	size     int64
	mtime    unix.Timespec
}

func versionOf(file string) version {
	var st unix.Stat_t
	if unix.Stat(file, &st) != nil {
		return version{}
	}
	return version{st.Dev, st.Ino, st.Size, st.Mtim}
}

// identity is the part that stays the same for the same file.
func (v version) identity() version { return version{dev: v.dev, ino: v.ino} }

// watcher turns inotify(7) events into names of files and trees. Events belong to inodes, and
// a path may get another destination: by a link, or by another directory of that name. So
// paths are also checked periodically.
type watcher struct {
	events *inotify.Watcher // nil: no inotify; only polling
	dirs   map[int]watched  // by watch descriptor
	files  []string
	seen   map[string]version // of files
	roots  map[string]version // of trees
}

// watched lists the reasons why a directory is watched.
type watched struct {
	path  string
	files []string // in it, as they were given
	tree  string   // that it belongs to; empty: none
}

// Watch implements System. A file has changed when it is another than before, and not when it
// is gone; a tree when anything in it has changed. A missing file changes when it appears.
// After an error the rest is watched.
func (*Processes) Watch(ctx context.Context, files, trees []string, post func(Event)) error {
	w := &watcher{dirs: map[int]watched{}, seen: map[string]version{}, roots: map[string]version{}}
	events, err := inotify.New()
	if err != nil { // a user has 128 of them, by default
		_ = w.addAll(files, trees)
		go w.poll(ctx, post)
		if len(w.roots) > 0 {
			return fmt.Errorf("cannot watch what is in directories: %w", err)
		}
		return nil
	}
	w.events = events
	err = w.addAll(files, trees)
	go w.run(ctx, post)
	return err
}

// poll only checks paths periodically.
func (w *watcher) poll(ctx context.Context, post func(Event)) {
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		changed := map[string]bool{}
		w.look(changed)
		for name := range changed {
			post(fileChanged{name})
		}
	}
}

// addAll returns why trees cannot be watched. Files are polled in any case.
func (w *watcher) addAll(files, trees []string) (err error) {
	w.files = files
	for _, tree := range trees {
		if info, err := os.Stat(tree); err == nil && !info.IsDir() {
			w.files = append(w.files[:len(w.files):len(w.files)], tree)
			continue
		}
		err = errors.Join(err, w.plant(tree))
	}
	for _, file := range w.files {
		w.seen[file] = versionOf(file)
		w.addFile(file)
	}
	return err
}

// addFile watches the current directory of a file, which may be missing. When the directory
// cannot be read, the file is polled less often.
func (w *watcher) addFile(file string) {
	_ = w.add(filepath.Dir(file), func(d *watched) {
		if !slices.Contains(d.files, file) {
			d.files = append(d.files, file)
		}
	})
}

// plant watches a tree from its root, and forgets the previous one.
func (w *watcher) plant(tree string) error {
	w.uproot(tree)
	root := versionOf(tree)
	w.roots[tree] = root.identity()
	return unlessMissing(w.addTree(tree, tree))
}

func (w *watcher) uproot(tree string) {
	if w.events == nil {
		return
	}
	for wd, d := range w.dirs {
		if d.tree != tree {
			continue
		}
		if d.tree = ""; len(d.files) > 0 {
			w.dirs[wd] = d
			continue
		}
		delete(w.dirs, wd)
		w.events.Remove(wd)
	}
}

// unlessMissing ignores the error of a missing directory.
func unlessMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	return err
}

// look checks every path, and watches its current destination.
func (w *watcher) look(changed map[string]bool) {
	for _, file := range w.files {
		w.addFile(file)
		w.compare(file, changed)
	}
	for tree, root := range w.roots {
		if now := versionOf(tree).identity(); now != root && now != (version{}) {
			_ = w.plant(tree)
			changed[tree] = true
		}
	}
}

// compare records a file that differs from the last one.
func (w *watcher) compare(file string, changed map[string]bool) {
	now := versionOf(file)
	if before := w.seen[file]; now != before && now != (version{}) {
		w.seen[file] = now
		changed[file] = true
	}
}

// add watches a directory for one more reason.
func (w *watcher) add(dir string, reason func(*watched)) error {
	if w.events == nil {
		return nil
	}
	wd, err := w.events.Add(dir, changes)
	if err != nil {
		return fmt.Errorf("cannot watch %q: %w", dir, err)
	}
	d := w.dirs[wd]
	d.path = dir
	reason(&d)
	w.dirs[wd] = d
	return nil
}

// addTree watches a directory, which a link may lead to, and all below it.
func (w *watcher) addTree(tree, from string) error {
	root := from + "/"
	return filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil && path == root:
			return fmt.Errorf("cannot watch %q: %w", tree, err)
		case err != nil || !e.IsDir():
			return nil // gone in the meantime, or not accessible
		}
		return unlessMissing(w.add(path, func(d *watched) { d.tree = tree }))
	})
}

func (w *watcher) run(ctx context.Context, post func(Event)) {
	stop := context.AfterFunc(ctx, func() { w.events.Close() })
	defer stop()
	defer w.events.Close()
	for changed := map[string]bool{}; ; {
		wait := lookAgain
		if len(changed) > 0 {
			wait = quiet
		}
		events, err := w.events.Read(time.Now().Add(wait))
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			w.read(events, changed)
		case os.IsTimeout(err) && len(changed) == 0:
			w.look(changed)
		case os.IsTimeout(err):
			for name := range changed {
				post(fileChanged{name})
			}
			clear(changed)
		default:
			return
		}
	}
}

// read records the files of a batch of events.
func (w *watcher) read(events iter.Seq[inotify.Event], changed map[string]bool) {
	for e := range events {
		if e.Lost() {
			for _, d := range w.dirs {
				w.note(d, "", changed)
			}
			continue
		}
		d, ok := w.dirs[e.Directory]
		if !ok {
			continue
		}
		if e.Mask&unix.IN_ISDIR != 0 && e.Mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0 && d.tree != "" {
			_ = w.addTree(d.tree, filepath.Join(d.path, e.Name)) // gone again: nothing to watch
		}
		w.note(d, e.Name, changed)
		if e.Mask&unix.IN_IGNORED != 0 {
			delete(w.dirs, e.Directory)
		}
	}
}

// note records the subject of an event in a directory. No name: anything in it.
func (w *watcher) note(d watched, name string, changed map[string]bool) {
	if d.tree != "" {
		changed[d.tree] = true
	}
	for _, file := range d.files {
		if name != "" && name != filepath.Base(file) {
			continue
		}
		w.compare(file, changed)
	}
}
