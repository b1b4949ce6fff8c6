package namespaces

import (
	"errors"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// attach puts the mounts in their places, parents first.
func (v *view) attach() error {
	var over []*place // the places with mounts, in order
	for _, p := range v.places {
		anchor := anchorOf(over, p)
		attached, err := p.attach(anchor, v)
		if err != nil {
			return p.error(err)
		}
		if attached {
			over = append(over, p)
		} else if p.tree != nil {
			p.tree.Close()
			p.tree = nil
		}
	}
	return nil
}

// anchorOf returns the innermost place around a path. Nil: there is none.
func anchorOf(over []*place, p *place) *place {
	for _, o := range slices.Backward(over) {
		if o.path == p.path || o.contains(p) {
			return o
		}
	}
	return nil
}

// attach puts one mount in its place, which is in the mount of anchor.
func (p *place) attach(anchor *place, v *view) (attached bool, err error) {
	switch {
	case p.path == "/":
		return p.attachRoot()
	case anchor != nil && anchor.path == p.path:
		anchor.sealed = anchor.sealed || p.Kind == ReadOnly
		return false, nil
	case anchor == nil && p.Kind == ReadWrite, anchor != nil && anchor.has(p.Kind):
		return false, nil
	case p.tree == nil && p.Kind != ReadOnly && p.Kind != ReadWrite && p.Kind != Inaccessible:
		return false, nil // an optional source that is missing
	}
	target, err := p.target(anchor)
	if errors.Is(err, os.ErrNotExist) && p.Optional {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if target != p.origin {
		defer target.Close()
	}
	if err := p.within(anchor, target, v); err != nil {
		return false, err
	}
	if p.Kind == Devices {
		return true, v.devices(p, target)
	}
	return true, moveTree(p.tree, target)
}

// has reports whether a state of a path within the place changes nothing, or would show files that the place hides: only
// the operator's ReadWrite and binds do that.
func (p *place) has(within PlaceKind) bool {
	switch p.Kind {
	case Inaccessible, Temporary, Devices:
		return within == ReadOnly || within == Inaccessible
	case ReadOnly, ReadWrite:
		return within == p.Kind
	}
	return within == ReadWrite && p.Kind == Bind
}

// bound reports whether the place shows the content of a bind.
func (p *place) bound() bool { return p.Kind == Bind || p.Kind == BindReadOnly || p.inBind }

// within makes the mount of a place that shows the content of a bind around it.
func (p *place) within(anchor *place, target *os.File, v *view) (err error) {
	if anchor == nil || !anchor.bound() || p.Kind.replaces() || p.parent {
		return nil
	}
	p.inBind = true
	if p.tree != nil {
		p.tree.Close()
	}
	switch p.Kind {
	case Inaccessible:
		p.tree, err = v.masks.of(target)
		return err
	case ReadWrite:
		return errors.New("it is in a read-only bind (bind-paths)")
	}
	if p.tree, err = cloneTree(target, true); err == nil && p.Kind == ReadOnly {
		err = setAttributes(p.tree, unix.MOUNT_ATTR_RDONLY, true)
	}
	return err
}

// attachRoot makes the existing mounts read-only: a mount on / would not be the root directory of the process.
func (p *place) attachRoot() (bool, error) {
	switch p.Kind {
	case ReadWrite:
		return false, nil
	case ReadOnly:
		return true, setAttributes(p.origin, unix.MOUNT_ATTR_RDONLY, true)
	}
	return false, errors.New("the root directory can only be read-only (a path below it can be replaced)")
}

// target opens the place in the mount of anchor. Where that has the same content, it must be the same file as before.
func (p *place) target(anchor *place) (*os.File, error) {
	if anchor == nil || anchor.tree == nil { // the root directory has no mount of its own
		if p.origin == nil {
			return nil, os.ErrNotExist
		}
		return p.origin, nil
	}
	below := strings.TrimPrefix(p.path, strings.TrimSuffix(anchor.path, "/")+"/")
	if anchor.Kind == Temporary || anchor.Kind == Devices || anchor.parent {
		return p.makeTarget(anchor.tree, below)
	}
	fd, err := openat2(int(anchor.tree.Fd()), below, 0, unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_BENEATH)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), p.path)
	if anchor.bound() {
		return f, nil
	}
	if p.origin == nil || !sameFile(f, p.origin) {
		f.Close()
		return nil, errors.New("another file is there meanwhile")
	}
	return f, nil
}

// makeTarget makes directories in a new file system, and at the end a directory or a file, as the mount of the
// place is one.
func (p *place) makeTarget(root *os.File, below string) (*os.File, error) {
	if p.tree == nil {
		return nil, os.ErrNotExist
	}
	var is unix.Stat_t
	if err := unix.Fstat(int(p.tree.Fd()), &is); err != nil {
		return nil, err
	}
	dir, err := unix.FcntlInt(root.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, err
	}
	names := strings.Split(below, "/")
	for i, name := range names {
		if i == len(names)-1 && is.Mode&unix.S_IFMT != unix.S_IFDIR {
			err = makeFile(dir, name, 0o644)
		} else {
			err = unix.Mkdirat(dir, name, 0o755)
		}
		next := -1
		if err == nil || errors.Is(err, unix.EEXIST) {
			next, err = openat2(dir, name, unix.O_NOFOLLOW, unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_BENEATH)
		}
		unix.Close(dir)
		if err != nil {
			return nil, err
		}
		dir = next
	}
	return os.NewFile(uintptr(dir), p.path), nil
}

// makeFile makes an empty file.
func makeFile(dir int, name string, mode uint32) error {
	fd, err := unix.Openat(dir, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, mode)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// sameFile reports whether two open files are one.
func sameFile(a, b *os.File) bool {
	var x, y unix.Stat_t
	return unix.Fstat(int(a.Fd()), &x) == nil && unix.Fstat(int(b.Fd()), &y) == nil && x.Dev == y.Dev && x.Ino == y.Ino
}
