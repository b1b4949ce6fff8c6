package monitor

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// hint is a place to read again. An empty entry means the whole directory.
type hint struct{ dir, entry string }

// watched are the events after which a configuration may be complete: a file closed by its
// writer, a name that was added or removed, an attribute that changed. IN_MODIFY is
// intentionally missing: a file that is still being written is left alone.
const watched = unix.IN_CLOSE_WRITE | unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE |
	unix.IN_ATTRIB | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR

// watcher turns inotify(7) events into hints. One goroutine may call wait while others call
// add and remove.
type watcher struct {
	file *os.File // in the runtime's poller: a read parks a goroutine, no thread

	mu   sync.Mutex
	dirs map[string]int
	wds  map[int]string
}

func newWatcher() (*watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("cannot watch for changes: %w", err)
	}
	return &watcher{file: os.NewFile(uintptr(fd), "inotify"), dirs: map[string]int{}, wds: map[int]string{}}, nil
}

func (w *watcher) close() { w.file.Close() }

// add watches the directory that dir names now, also when it named another one before. It may
// block. Events before it returns may be lost.
func (w *watcher) add(dir string) error {
	raw, err := w.file.SyscallConn()
	if err != nil {
		return err
	}
	var wd int // without the lock: the file system may hang
	control := raw.Control(func(fd uintptr) { wd, err = unix.InotifyAddWatch(int(fd), dir, watched) })
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case control != nil:
		return control
	case err != nil:
		return fmt.Errorf("cannot watch %q: %w", dir, err)
	}
	if old, ok := w.dirs[dir]; ok && old != wd {
		w.drop(old)
	}
	w.dirs[dir], w.wds[wd] = wd, dir
	return nil
}

// remove ends the watch on dir; a missing watch is no error.
func (w *watcher) remove(dir string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	wd, ok := w.dirs[dir]
	if !ok {
		return
	}
	delete(w.dirs, dir)
	w.drop(wd)
}

func (w *watcher) drop(wd int) {
	delete(w.wds, wd)
	if raw, err := w.file.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _, _ = unix.InotifyRmWatch(int(fd), uint32(wd)) })
	}
}

func (w *watcher) has(dir string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.dirs[dir]
	return ok
}

// list returns the watched directories.
func (w *watcher) list() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var dirs []string
	for dir := range w.dirs {
		dirs = append(dirs, dir)
	}
	return dirs
}

// wait blocks until an event and returns the hints. It fails when the watcher is closed.
func (w *watcher) wait(buffer []byte) ([]hint, error) {
	n, err := w.file.Read(buffer)
	if err != nil {
		return nil, err
	}
	var hints []hint
	for b := buffer[:n]; len(b) >= unix.SizeofInotifyEvent; {
		wd := int(int32(binary.NativeEndian.Uint32(b)))
		mask := binary.NativeEndian.Uint32(b[4:])
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
		name, _, _ := bytes.Cut(b[unix.SizeofInotifyEvent:end], []byte{0})
		hints = append(hints, w.hints(wd, mask, string(name))...)
		b = b[end:]
	}
	return hints, nil
}

func (w *watcher) hints(wd int, mask uint32, name string) []hint {
	w.mu.Lock()
	defer w.mu.Unlock()
	if mask&unix.IN_Q_OVERFLOW != 0 { // events were lost: everything must be read again
		var all []hint
		for dir := range w.dirs {
			all = append(all, hint{dir: dir})
		}
		return all
	}
	dir, ok := w.wds[wd]
	if !ok {
		return nil
	}
	if mask&unix.IN_IGNORED != 0 { // the directory is gone, or unmounted
		delete(w.wds, wd)
		if w.dirs[dir] == wd {
			delete(w.dirs, dir)
		}
		return []hint{{dir: dir}}
	}
	return []hint{{dir, name}}
}
