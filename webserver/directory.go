package webserver

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// directory is a tree that neither dots nor links can leave (os.Root), except into the trees
// that are declared safe. It is opened once.
type directory struct {
	root *os.Root
	top  *os.File // root as a directory, for openat2
	path string   // absolute and without links
	file string   // not empty: only this file of the directory is accessible
	safe []*directory
}

// openDirectory opens a directory. For a file it opens its directory, in which only that file
// is accessible.
func openDirectory(name string, safe []*directory) (*directory, error) {
	real, err := filepath.EvalSymlinks(name)
	if err != nil {
		return nil, err
	}
	if real, err = filepath.Abs(real); err != nil {
		return nil, err
	}
	d := &directory{path: real, safe: safe}
	info, err := os.Stat(real)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		d.path, d.file = filepath.Dir(real), filepath.Base(real)
	}
	if d.root, err = os.OpenRoot(d.path); err != nil {
		return nil, err
	}
	if d.top, err = d.root.Open("."); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// laterTree is a directory that may come to exist later. It is safe from any goroutine.
type laterTree struct {
	name string
	safe []*directory

	mu  sync.Mutex
	dir *directory // nil: it is not open
}

// open opens the directory.
func (t *laterTree) open() (err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dir == nil {
		t.dir, err = openDirectory(t.name, t.safe)
	}
	return err
}

// get returns the directory, or nil while it cannot be opened.
func (t *laterTree) get() *directory {
	_ = t.open() // of a directory that is missing
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dir
}

func (t *laterTree) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dir.close()
}

func (d *directory) close() {
	if d != nil && d.root != nil {
		d.root.Close()
		d.top.Close() // nil is an error without effect
	}
}

// open opens a file by its path below the directory, without waiting for the other end of a
// FIFO. An empty name is the directory itself, or its only file.
func (d *directory) open(name string) (opened, error) {
	switch {
	case d.file != "" && name != "":
		return opened{}, fs.ErrNotExist
	case d.file != "":
		name = d.file
	case name == "":
		name = "."
	}
	fd, err := d.beneath(name)
	if err != nil {
		if fd, err = d.follow(name, err); err != nil {
			return opened{}, err
		}
	}
	return stat(fd)
}

// beneath opens a file without leaving the tree: by openat2(2), where the kernel resolves the whole path
// at once, or by os.Root where that cannot be had.
func (d *directory) beneath(name string) (fd int, err error) {
	for range 3 { // EAGAIN: a rename in between
		fd, err = openat2(int(d.top.Fd()), name, &withinTree)
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			break
		}
	}
	if e, _ := errors.AsType[unix.Errno](err); slices.Contains(elsewise, e) {
		return duplicate(d.root.OpenFile(name, readOnly, 0))
	}
	return fd, err
}

// elsewise are the errors of openat2(2) after which another call may succeed. A filter of system
// calls refuses with EPERM.
var elsewise = []unix.Errno{unix.EINTR, unix.EAGAIN, unix.ENOSYS, unix.EPERM}

// openat2 is replaced in tests.
var openat2 = unix.Openat2

// withinTree opens nothing outside of a directory. It is not changed: all requests share it.
var withinTree = unix.OpenHow{Flags: readOnly, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS}

// readOnly are the flags of open(2) for every file.
const readOnly = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_CLOEXEC

// duplicate returns a descriptor of a file, and closes the file.
func duplicate(f *os.File, err error) (int, error) {
	if err != nil {
		return -1, err
	}
	defer f.Close()
	return unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
}

// follow opens the target of a link when that is inside this tree or a safe one: absolute links are
// refused even when they stay inside. It opens the target below a root again,
// so a link that changes in the meantime gains nothing.
func (d *directory) follow(name string, cause error) (int, error) {
	if errors.Is(cause, fs.ErrNotExist) || errors.Is(cause, fs.ErrPermission) {
		return -1, cause
	}
	real, err := filepath.EvalSymlinks(filepath.Join(d.path, name))
	if err != nil {
		return -1, fs.ErrNotExist
	}
	for _, tree := range append([]*directory{d}, d.safe...) {
		if rest, ok := below(real, tree.path); ok {
			return tree.beneath(path.Join(".", rest))
		}
	}
	return -1, fs.ErrNotExist
}

// below returns the part of a path below a directory that contains it.
func below(name, dir string) (rest string, ok bool) {
	dir = strings.TrimRight(dir, "/")
	rest, ok = strings.CutPrefix(name, dir)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	return strings.Trim(rest, "/"), true
}
