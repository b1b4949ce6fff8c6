package namespaces

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// NewRoot is a directory that becomes the root directory of a process, with the mounts below it.
type NewRoot struct {
	// Path is absolute. A symbolic link in it is followed only when root or this process owns it.
	Path string
	// Old is the directory at which the old root directory is afterwards, relative to Path. Empty: it is reachable
	// nowhere.
	Old string `json:",omitempty"`
	// Where begins errors: the line and the name of the option.
	Where string `json:",omitempty"`
}

// Enter makes the view in its new root directory, mounts the /proc and the /sys of the process there, and makes it the root
// directory of all threads of this process (pivot_root(2)). The process must have a mount namespace of its own, whose mounts
// do not propagate to others; made are its new namespaces. After an error the process must not continue.
func (f FileSystem) Enter(made Flags, proc ProcView) error {
	root, err := f.Root.attach()
	if err != nil {
		return f.Root.error(err)
	}
	defer root.dir.Close()
	if err := root.kernelFiles(made, proc); err != nil {
		return f.Root.error(err)
	}
	if err := f.apply(root); err != nil {
		return err
	}
	if err := root.pivot(f.Root.Old); err != nil {
		return f.Root.error(err)
	}
	if made.Has(NewPID) {
		return checkProc()
	}
	return nil
}

func (r *NewRoot) error(err error) error {
	return fmt.Errorf("%s: %s: %w", r.Where, r.Path, err)
}

// attach makes the directory a mount, which lies over it.
func (r *NewRoot) attach() (g rootDir, err error) {
	dir, err := followTarget(r.Path)
	if err != nil {
		return g, err
	}
	defer dir.Close()
	var is unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &is); err != nil {
		return g, err
	}
	if is.Mode&unix.S_IFMT != unix.S_IFDIR {
		return g, unix.ENOTDIR
	}
	tree, err := cloneTree(dir, true)
	if err != nil {
		return g, err
	}
	if err = moveTree(tree, dir); err == nil {
		g.path, err = os.Readlink(byDescriptor(tree))
	}
	if err != nil {
		tree.Close()
		return g, err
	}
	g.dir = tree
	return g, nil
}

// kernelFiles mounts a /proc and a /sys: own ones of new namespaces, or else the ones of the old root directory.
func (g rootDir) kernelFiles(made Flags, proc ProcView) error {
	has, err := g.follow("/proc")
	if errors.Is(err, os.ErrNotExist) {
		return errors.New("it has no directory proc for /proc (mkdir)")
	}
	if err != nil {
		return err
	}
	defer has.Close()
	return withMasks(func(m *masks) error {
		if made.Has(NewPID) {
			err = proc.mount(g, made.Has(NewNet), m)
		} else {
			err = copyTree("/proc", has)
		}
		if err != nil {
			return err
		}
		return mountSys(g, made.Has(NewCgroup), m)
	})
}

// copyTree attaches a path of the old root directory, with the mounts below it.
func copyTree(path string, at *os.File) error {
	from, err := openTarget(path)
	if err != nil {
		return err
	}
	defer from.Close()
	tree, err := cloneTree(from, true)
	if err != nil {
		return err
	}
	defer tree.Close()
	return moveTree(tree, at)
}

// pivot makes the mount the root directory of this process, which works in it then. The directory old is below it; without one the
// old root directory is unmounted.
func (g rootDir) pivot(old string) error {
	before, err := os.Open("/")
	if err != nil {
		return err
	}
	defer before.Close()
	put := "."
	if old != "" {
		at, err := g.open("/" + old)
		if err != nil {
			return fmt.Errorf("%s: %w", old, err)
		}
		defer at.Close()
		put = byDescriptor(at)
	}
	if err := unix.Fchdir(int(g.dir.Fd())); err != nil {
		return os.NewSyscallError("fchdir", err)
	}
	if err := unix.PivotRoot(".", put); err != nil {
		return os.NewSyscallError("pivot_root", err)
	}
	if old == "" { // it lies over the new one
		if err := unix.Fchdir(int(before.Fd())); err != nil {
			return os.NewSyscallError("fchdir", err)
		}
		if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
			return os.NewSyscallError("umount2", err)
		}
	}
	if err := unix.Chdir("/"); err != nil {
		return os.NewSyscallError("chdir", err)
	}
	return g.verify()
}

// verify compares the root directory with the mount.
func (g rootDir) verify() error {
	now, err := rootDir{}.open("/")
	if err != nil {
		return err
	}
	defer now.Close()
	want, err := mountID(g.dir)
	if err != nil {
		return err
	}
	is, err := mountID(now)
	if err == nil && is != want {
		err = errors.New("another directory is the root directory afterwards")
	}
	return err
}

// Inside returns the path of a directory relative to another one that contains it, such as .old for /srv/root/.old in
// /srv/root. Both paths are absolute and clean.
func Inside(path, dir string) (relative string, ok bool) {
	return strings.CutPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
