package monitor

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/reads"
)

// hint is a place to read again. An empty entry means the whole directory, and an empty
// directory everything.
type hint struct {
	dir, entry string
	renamed    bool // a file of the directory has got that name by a rename
}

func (h hint) place() place { return place{h.dir, h.entry} }

const (
	// eventBatch is the number of events that are taken at once, and eventPause the interval of
	// batches: the kernel merges equal events meanwhile, so that a program that writes all the
	// time costs little.
	eventBatch = 256
	eventPause = 2 * time.Millisecond
)

// watcher turns events of fsnotify into hints, for directories only. Its methods may be called
// from any goroutine; add may block for as long as reads.Limit, and the others do not block.
//
// fsnotify holds its lock while the kernel looks up a path, and a file system that hangs would
// keep it for good. Each fsnotify.Watcher therefore belongs to one goroutine, its session, and
// a session that is stuck is replaced by another one.
type watcher struct {
	out chan<- []hint
	ctx context.Context // of Run

	mu      sync.Mutex
	session *session              // nil: closed, or no further one can be made
	dirs    map[string]*directory // by path
	inodes  map[inode]*directory  // the same, by identity: the paths of one directory share it
	mounts  mountTable
}

// inode identifies a directory.
type inode struct{ device, number uint64 }

// directory is a watched directory.
type directory struct {
	inode inode
	known string         // the path by which fsnotify reports it
	paths map[string]int // all its paths, with the mount on which each is
}

// newWatcher returns a watcher that sends hints to out until ctx ends or it is closed. It fails
// when the user's inotify instances are exhausted.
func newWatcher(ctx context.Context, out chan<- []hint) (*watcher, error) {
	w := &watcher{out: out, ctx: ctx, dirs: map[string]*directory{}, inodes: map[inode]*directory{}}
	var err error
	if w.session, err = newSession(w); err != nil {
		return nil, fmt.Errorf("cannot watch for changes: %w", err)
	}
	w.watchMounts()
	return w, nil
}

func (w *watcher) close() {
	w.mu.Lock()
	s := w.session
	w.session = nil
	w.mu.Unlock()
	if s != nil {
		s.end()
	}
}

// errStuck is returned when the kernel does not return from a path.
var errStuck = fmt.Errorf("cannot watch it: %w", reads.ErrSlow)

// add watches the directory that dir names now, also when it named another one before. Events
// before it returns may be lost.
func (w *watcher) add(dir string) error {
	id, err := identify(dir)
	if err != nil {
		return fmt.Errorf("cannot watch %q: %w", dir, err)
	}
	s, known := w.begin(dir, id)
	if s == nil {
		return errors.New("cannot watch for changes any more")
	}
	done := make(chan error, 1)
	s.do(func(n *fsnotify.Watcher) { done <- n.Add(known) })
	limit := time.NewTimer(reads.Limit)
	defer limit.Stop()
	select {
	case err = <-done:
	case <-limit.C:
		w.replace(s)
		return errStuck
	}
	if err != nil {
		return fmt.Errorf("cannot watch %q: %w", dir, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.session != s {
		return errStuck
	}
	d := w.inodes[id]
	if d == nil {
		d = &directory{inode: id, known: known, paths: map[string]int{}}
	}
	d.paths[dir] = w.mounts.of(dir)
	w.dirs[dir], w.inodes[id] = d, d
	return nil
}

// begin returns the session that is to watch a directory, and the path by which that knows the
// directory. Nil: none can be made any more.
func (w *watcher) begin(dir string, id inode) (s *session, known string) {
	w.mu.Lock()
	d := w.inodes[id]
	w.mu.Unlock()
	other := inode{}
	if d != nil && d.known != dir { // fsnotify looks the path up again, and it may lead elsewhere by now
		other, _ = identify(d.known)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget(dir, id)
	if d = w.inodes[id]; d == nil {
		return w.session, dir
	}
	if d.known != dir && other != id {
		w.forget(d.known, other)
	}
	if d = w.inodes[id]; d == nil {
		return w.session, dir
	}
	return w.session, d.known
}

// identify returns the directory at a path. It may block.
func identify(dir string) (inode, error) {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return inode{}, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return inode{}, unix.ENOTDIR
	}
	return inode{st.Dev, st.Ino}, nil
}

// forget drops a path unless it leads to the directory with that identity. The watch ends with
// the last path.
func (w *watcher) forget(path string, except inode) {
	d := w.dirs[path]
	if d == nil || d.inode == except {
		return
	}
	delete(w.dirs, path)
	delete(d.paths, path)
	if d.known != path {
		return
	}
	d.known = ""
	for d.known = range d.paths { // another path takes its place
		break
	}
	if d.known == "" {
		delete(w.inodes, d.inode)
	}
	if other := d.known; w.session != nil {
		w.session.do(func(n *fsnotify.Watcher) {
			_ = n.Remove(path) // fails for a directory that is gone
			if other != "" {
				_ = n.Add(other)             // the rescan reports an error
				w.send([]hint{{dir: other}}) // for changes in between
			}
		})
	}
}

// remove ends the watch on dir; a missing watch is no error.
func (w *watcher) remove(dir string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forget(dir, inode{})
}

func (w *watcher) has(dir string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dirs[dir] != nil
}

// list returns the watched directories.
func (w *watcher) list() (dirs []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for dir := range w.dirs {
		dirs = append(dirs, dir)
	}
	return dirs
}

// hints returns the places of an event: an entry in a directory, and the directory itself when
// it is gone or has moved.
func (w *watcher) hints(e fsnotify.Event) (hints []hint) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d := w.dirs[e.Name]; d != nil && e.Has(fsnotify.Remove|fsnotify.Rename) {
		for path := range d.paths {
			hints = append(hints, hint{dir: path})
		}
		w.forget(e.Name, inode{})
	}
	if d := w.dirs[filepath.Dir(e.Name)]; d != nil {
		for path := range d.paths {
			hints = append(hints, hint{dir: path, entry: filepath.Base(e.Name)})
		}
	}
	return hints
}

// send passes on hints, and reports whether there is still a receiver.
func (w *watcher) send(hints []hint) bool {
	if len(hints) == 0 {
		return true
	}
	select {
	case w.out <- hints:
		return true
	case <-w.ctx.Done():
		return false
	}
}

// replace makes a new session in the place of a stuck one. A rescan watches the directories
// again.
func (w *watcher) replace(stuck *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.session != stuck {
		return // another call has replaced it, or the watcher is closed
	}
	clear(w.dirs)
	clear(w.inodes)
	w.session, _ = newSession(w) // without one, files are polled
	stuck.end()
	go w.send([]hint{{}})
}
