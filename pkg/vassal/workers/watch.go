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
	"github.com/emperor-go/emperor/internal/revision"
)

// quiet is the time without further changes after which a change of a file is reported: programs
// write in several steps.
const quiet = 50 * time.Millisecond

// recheckInterval is the interval of the check whether paths lead to other files.
const recheckInterval = 3 * time.Second

// changes are the events that may change the content or the identity of a file.
const changes = unix.IN_CLOSE_WRITE | unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE | unix.IN_ATTRIB

// version distinguishes two states of a file. Zero: the file is missing.
type version struct {
	revision.Revision
	settled bool // an edit makes another version
}

func versionOf(file string) version {
	r, settled := revision.ContentAt(file)
	return version{r, settled}
}

// identity is a file, whatever its content. Zero: the file is missing.
type identity struct{ dev, ino uint64 }

// identity returns the part that stays the same while the file is the same.
func (v version) identity() identity { return identity{v.Dev, v.Ino} }

// watcher turns inotify(7) events into names of files and trees. An event belongs to an inode,
// but a path may lead to another inode later, by a link or by a new directory of the same name.
// So paths are also checked periodically.
type watcher struct {
	events *inotify.Watcher // nil: inotify is not available; only polling
	dirs   map[int]watched  // the key is a watch descriptor
	files  []string
	seen   map[string]version  // of files
	roots  map[string]identity // of trees
}

// watched lists the reasons why a directory is watched.
type watched struct {
	path  string
	files []string // files in the directory, as they were given
	tree  string   // the tree that the directory belongs to; empty: none
}

// Watch implements System. A file has changed when its version is new; a removed file has not. A
// tree has changed when anything in it has. A missing file changes when it appears. After an
// error Watch watches the rest.
func (*Processes) Watch(ctx context.Context, files, trees []string, post func(Event)) error {
	w := &watcher{dirs: map[int]watched{}, seen: map[string]version{}, roots: map[string]identity{}}
	events, err := inotify.New()
	if err != nil { // by default a user has 128 instances
		_ = w.addAll(files, trees)
		go w.poll(ctx, post)
		if len(w.roots) > 0 {
			return fmt.Errorf("cannot watch the entries of directories: %w", err)
		}
		return nil
	}
	w.events = events
	err = w.addAll(files, trees)
	go w.run(ctx, post)
	return err
}

// poll checks paths periodically, without inotify.
func (w *watcher) poll(ctx context.Context, post func(Event)) {
	tick := time.NewTicker(recheckInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		changed := map[string]bool{}
		w.recheck(changed)
		for name := range changed {
			post(fileChanged{name})
		}
	}
}

// addAll watches files and trees. An error has the reason why trees cannot be watched; files are polled in
// any case.
func (w *watcher) addAll(files, trees []string) (err error) {
	w.files = files
	for _, tree := range trees {
		if info, err := os.Stat(tree); err == nil && !info.IsDir() {
			w.files = append(w.files[:len(w.files):len(w.files)], tree)
			continue
		}
		err = errors.Join(err, w.addRoot(tree))
	}
	for _, file := range w.files {
		w.seen[file] = versionOf(file)
		w.addFile(file)
	}
	return err
}

// addFile watches the current directory of a file, which may be missing. Without that watch the
// file is only polled.
func (w *watcher) addFile(file string) {
	_ = w.add(filepath.Dir(file), func(d *watched) {
		if !slices.Contains(d.files, file) {
			d.files = append(d.files, file)
		}
	})
}

// addRoot watches a tree from its root, and stops watching the previous tree of that name.
func (w *watcher) addRoot(tree string) error {
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

// recheck checks every path, and watches the file or directory to which it leads now.
func (w *watcher) recheck(changed map[string]bool) {
	for _, file := range w.files {
		w.addFile(file)
		w.compare(file, false, changed)
	}
	for tree, root := range w.roots {
		if now := versionOf(tree).identity(); now != root && now != (identity{}) {
			_ = w.addRoot(tree)
			changed[tree] = true
		}
	}
}

// settle examines files again that had just changed, when all events about them have been read: a
// later event about the same version is no edit.
func (w *watcher) settle() {
	for file, before := range w.seen {
		if now := versionOf(file); !before.settled && now.Revision == before.Revision {
			w.seen[file] = now
		}
	}
}

// compare records a file whose version has changed. An event also reports an edit that leaves the
// version as it is, because it came so soon after another one.
func (w *watcher) compare(file string, event bool, changed map[string]bool) {
	now, before := versionOf(file), w.seen[file]
	if now.identity() == (identity{}) {
		return
	}
	if now.Revision != before.Revision || event && !before.settled {
		changed[file] = true
	}
	w.seen[file] = now
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

// addTree watches a directory, which may be a link, and everything below it.
func (w *watcher) addTree(tree, from string) error {
	root := from + "/"
	return filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil && path == root:
			return fmt.Errorf("cannot watch %q: %w", tree, err)
		case err != nil || !e.IsDir():
			return nil // removed meanwhile, or not accessible
		}
		return unlessMissing(w.add(path, func(d *watched) { d.tree = tree }))
	})
}

func (w *watcher) run(ctx context.Context, post func(Event)) {
	stop := context.AfterFunc(ctx, func() { w.events.Close() })
	defer stop()
	defer w.events.Close()
	for changed := map[string]bool{}; ; {
		wait := recheckInterval
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
			w.recheck(changed)
		case os.IsTimeout(err):
			w.settle()
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
			_ = w.addTree(d.tree, filepath.Join(d.path, e.Name)) // removed again: nothing to watch
		}
		w.note(d, e.Name, changed)
		if e.Mask&unix.IN_IGNORED != 0 {
			delete(w.dirs, e.Directory)
		}
	}
}

// note records the file or tree that an event in a directory is about. Without a name the event
// is about anything in the directory.
func (w *watcher) note(d watched, name string, changed map[string]bool) {
	if d.tree != "" {
		changed[d.tree] = true
	}
	for _, file := range d.files {
		if name != "" && name != filepath.Base(file) {
			continue
		}
		w.compare(file, true, changed)
	}
}
