package master

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// quiet is how long nothing must happen before a change counts: programs write in
// several steps.
const quiet = 50 * time.Millisecond

// changes are the events by which a file may have become another.
const changes = unix.IN_CLOSE_WRITE | unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE | unix.IN_ATTRIB

// version tells one state of a file from another. That of no file is zero.
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

// watcher turns inotify(7) events into names of files and trees.
type watcher struct {
	events *os.File
	dirs   map[int]watched // by watch descriptor
	seen   map[string]version
}

// watched is why a directory is watched.
type watched struct {
	path  string
	files []string // in it, as they were given
	tree  string   // that it belongs to; empty: none
}

// Watch implements System. A file counts as changed when it is another than
// before, and not when it is gone; a tree when anything in it has changed.
func (*Processes) Watch(ctx context.Context, files, trees []string, post func(Event)) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("cannot watch: %w", err)
	}
	w := &watcher{events: os.NewFile(uintptr(fd), "inotify"), dirs: map[int]watched{}, seen: map[string]version{}}
	if err := w.addAll(files, trees); err != nil {
		w.events.Close()
		return err
	}
	go w.run(ctx, post)
	return nil
}

func (w *watcher) addAll(files, trees []string) error {
	for _, tree := range trees {
		if info, err := os.Stat(tree); err == nil && !info.IsDir() {
			files = append(files[:len(files):len(files)], tree)
			continue
		}
		if err := w.addTree(tree, tree); err != nil {
			return err
		}
	}
	for _, file := range files {
		w.seen[file] = versionOf(file)
		err := w.add(filepath.Dir(file), func(d *watched) { d.files = append(d.files, file) })
		if err != nil {
			return err
		}
	}
	return nil
}

// add watches a directory for one more reason.
func (w *watcher) add(dir string, reason func(*watched)) error {
	raw, err := w.events.SyscallConn()
	if err != nil {
		return err
	}
	var wd int
	var failure error
	err = raw.Control(func(fd uintptr) { wd, failure = unix.InotifyAddWatch(int(fd), dir, changes|unix.IN_ONLYDIR) })
	if err == nil {
		err = failure
	}
	if err != nil {
		return fmt.Errorf("cannot watch %q: %w", dir, err)
	}
	d := w.dirs[wd]
	d.path = dir
	reason(&d)
	w.dirs[wd] = d
	return nil
}

// addTree watches a directory and all below it.
func (w *watcher) addTree(tree, from string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil && path == tree:
			return fmt.Errorf("cannot watch %q: %w", tree, err)
		case err != nil || !e.IsDir():
			return nil // gone meanwhile, or not to be seen
		}
		return w.add(path, func(d *watched) { d.tree = tree })
	})
}

func (w *watcher) run(ctx context.Context, post func(Event)) {
	stop := context.AfterFunc(ctx, func() { w.events.Close() })
	defer stop()
	defer w.events.Close()
	buffer := make([]byte, 16<<10)
	for changed := map[string]bool{}; ; {
		deadline := time.Time{}
		if len(changed) > 0 {
			deadline = time.Now().Add(quiet)
		}
		_ = w.events.SetReadDeadline(deadline)
		n, err := w.events.Read(buffer)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			w.read(buffer[:n], changed)
		case os.IsTimeout(err):
			for name := range changed {
				post(Changed(name))
			}
			clear(changed)
		default:
			return
		}
	}
}

// read notes what a batch of events is about.
func (w *watcher) read(b []byte, changed map[string]bool) {
	for len(b) >= unix.SizeofInotifyEvent {
		wd, mask := int(int32(binary.NativeEndian.Uint32(b))), binary.NativeEndian.Uint32(b[4:])
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
		name, _, _ := bytes.Cut(b[unix.SizeofInotifyEvent:end], []byte{0})
		b = b[end:]
		if mask&unix.IN_Q_OVERFLOW != 0 { // anything may have happened
			for _, d := range w.dirs {
				w.note(d, "", changed)
			}
			continue
		}
		d, ok := w.dirs[wd]
		if !ok {
			continue
		}
		if mask&unix.IN_ISDIR != 0 && mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0 && d.tree != "" {
			_ = w.addTree(d.tree, filepath.Join(d.path, string(name))) // gone again: nothing to watch
		}
		w.note(d, string(name), changed)
		if mask&unix.IN_IGNORED != 0 {
			delete(w.dirs, wd)
		}
	}
}

// note finds what an event in a directory is about. No name: anything in it.
func (w *watcher) note(d watched, name string, changed map[string]bool) {
	if d.tree != "" {
		changed[d.tree] = true
	}
	for _, file := range d.files {
		if name != "" && name != filepath.Base(file) {
			continue
		}
		now := versionOf(file)
		if before := w.seen[file]; now != before && now != (version{}) {
			w.seen[file] = now
			changed[file] = true
		}
	}
}
