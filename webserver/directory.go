package webserver

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// directory is a tree that neither dots nor links can leave (os.Root), except into the trees
// that are declared safe. It is opened once.
type directory struct {
	root *os.Root
	path string // absolute and without links
	file string // not empty: only this file of the directory is accessible
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
	}
}

// open opens a file by its path below the directory, without waiting for the other end of a
// FIFO. An empty name is the directory itself, or its only file.
func (d *directory) open(name string) (*os.File, fs.FileInfo, error) {
	switch {
	case d.file != "" && name != "":
		return nil, nil, fs.ErrNotExist
	case d.file != "":
		name = d.file
	case name == "":
		name = "."
	}
	f, err := d.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		if f, err = d.follow(name, err); err != nil {
			return nil, nil, err
		}
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
	}
	return f, info, err
}

// follow opens the target of a link when that is inside this tree or a safe one: os.Root
// refuses absolute links even when they stay inside. It opens the target below a root again,
// so a link that changes in the meantime gains nothing.
func (d *directory) follow(name string, cause error) (*os.File, error) {
	if errors.Is(cause, fs.ErrNotExist) || errors.Is(cause, fs.ErrPermission) {
		return nil, cause
	}
	real, err := filepath.EvalSymlinks(filepath.Join(d.path, name))
	if err != nil {
		return nil, fs.ErrNotExist
	}
	for _, tree := range append([]*directory{d}, d.safe...) {
		if rest, ok := below(real, tree.path); ok {
			return tree.root.OpenFile(path.Join(".", rest), os.O_RDONLY|syscall.O_NONBLOCK, 0)
		}
	}
	return nil, fs.ErrNotExist
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
