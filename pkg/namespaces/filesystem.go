package namespaces

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// PlaceKind is the state of a path and everything below it in a FileSystem.
type PlaceKind string

// The kinds of places. Inaccessible, ReadOnly and ReadWrite have the content of the path, Temporary, Bind and
// Devices have another one.
const (
	Inaccessible PlaceKind = "inaccessible"
	ReadOnly     PlaceKind = "read-only"
	ReadWrite    PlaceKind = "read-write"
	Temporary    PlaceKind = "temporary"
	Bind         PlaceKind = "bind"
	BindReadOnly PlaceKind = "bind-read-only"
	Devices      PlaceKind = "devices"
)

// placeOrder is the order of kinds at one path: its content first, the strictest state last.
var placeOrder = []PlaceKind{Devices, Temporary, Bind, BindReadOnly, ReadWrite, ReadOnly, Inaccessible}

// replaces reports whether a place of the kind has another content than the path has.
func (k PlaceKind) replaces() bool {
	return slices.Index(placeOrder, k) < slices.Index(placeOrder, ReadWrite)
}

// Place is a path of a FileSystem.
type Place struct {
	Kind PlaceKind
	// Path is absolute. A symbolic link in it is followed only when root or this process owns it.
	Path string
	// Source is the absolute path of a bind. Recursive: with the mounts below it.
	Source    string `json:",omitempty"`
	Recursive bool   `json:",omitempty"`
	// Mapped: the bind shows its files with other owners (FileSystem.Idmapped).
	Mapped bool `json:",omitempty"`
	// Tree is the number of a mount, from 1, that is the source opened already (FileSystem.Idmapped). Zero: none.
	Tree int `json:",omitempty"`
	// Data are options of a Temporary: options of tmpfs(5), and ro, noexec.
	Data string `json:",omitempty"`
	// Optional: a path or a source that is missing is no error.
	Optional bool `json:",omitempty"`
	// Where begins errors: the line and the name of the option.
	Where string `json:",omitempty"`
}

// FileSystem is the view of the file system that a process makes for itself in its own mount namespace.
type FileSystem struct {
	Places []Place `json:",omitempty"`
	// Root is another root directory, in which the places are, without the sources of binds. Nil: the process keeps its own.
	Root *NewRoot `json:",omitempty"`
	// Trees are the descriptors of the mounts that places have, which belong to this process.
	Trees []int `json:"-"`
}

// place is a Place while the view is made.
type place struct {
	Place
	path   string   // without symbolic links
	origin *os.File // the file at path before any change, with O_PATH; nil: there is none
	tree   *os.File // its mount; nil: none of its own
	sealed bool     // its mount becomes read-only at the end
	parent bool     // it is inaccessible but for places below it
	inBind bool     // it is in a bind, whose content it has
}

// view makes a FileSystem. Every file is opened once, before any change; mounts are attached to open files. A path that is
// looked up again, below a mount of the view, must be the same file.
type view struct {
	ground rootDir
	places []*place
	trees  []int
	masks  masks
}

// Apply makes the view for this process, which keeps its root directory. It must have a mount namespace of its own, whose
// mounts do not propagate to others. Apply returns an error when a path has changed in the meantime; the process must not
// continue then.
func (f FileSystem) Apply() error {
	if len(f.Places) == 0 {
		return nil
	}
	dir, _ := os.Getwd()
	if err := f.apply(rootDir{}); err != nil {
		return err
	}
	// The working directory is a file below the new mounts until it is entered again.
	if dir == "" || unix.Chdir(dir) != nil {
		return os.NewSyscallError("chdir", unix.Chdir("/"))
	}
	return nil
}

// apply makes the places in a root directory.
func (f FileSystem) apply(g rootDir) error {
	v := &view{ground: g, trees: f.Trees}
	defer v.close()
	for _, step := range []func() error{
		func() error { return v.examine(f.Places) }, v.arrange, v.prepare, v.attach, v.seal, v.verify,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (v *view) close() {
	for _, p := range v.places {
		for _, f := range []*os.File{p.origin, p.tree} {
			if f != nil {
				f.Close()
			}
		}
	}
	_ = v.masks.close()
}

// examine opens all places.
func (v *view) examine(list []Place) error {
	for _, one := range list {
		p := &place{Place: one, path: filepath.Clean(one.Path)}
		v.places = append(v.places, p)
		f, err := v.ground.follow(p.path)
		switch {
		case err == nil:
			p.origin = f
			if p.path, err = v.ground.pathOf(f); err != nil {
				return p.error(err)
			}
		case errors.Is(err, os.ErrNotExist):
		default:
			return p.error(err)
		}
	}
	return nil
}

// error adds the option and the path to an error.
func (p *place) error(err error) error {
	path := p.Path
	if p.Source != "" {
		path = p.Source + " on " + p.Path
	}
	if errors.Is(err, os.ErrNotExist) && !p.Optional {
		err = fmt.Errorf("%w (-%s may be missing)", err, p.Path)
	}
	return fmt.Errorf("%s: %s: %w", p.Where, path, err)
}

// arrange sorts the places, parents first, and leaves one content and the strictest state of each path. Missing places
// stay only below places with another content.
func (v *view) arrange() error {
	slices.SortStableFunc(v.places, func(a, b *place) int {
		return cmp.Or(cmp.Compare(strings.TrimSuffix(a.path, "/")+"/", strings.TrimSuffix(b.path, "/")+"/"),
			cmp.Compare(slices.Index(placeOrder, a.Kind), slices.Index(placeOrder, b.Kind)))
	})
	var kept []*place
	for i, p := range v.places {
		later := v.places[i+1:]
		covered := slices.ContainsFunc(later, func(o *place) bool {
			return o.path == p.path && (o.Kind.replaces() == p.Kind.replaces() || o.Kind == Inaccessible)
		})
		if covered {
			continue
		}
		if p.origin == nil && !slices.ContainsFunc(kept, func(o *place) bool { return o.Kind != ReadOnly && o.Kind != ReadWrite && o.contains(p) }) {
			if p.Optional {
				continue
			}
			return p.error(os.ErrNotExist)
		}
		kept = append(kept, p)
	}
	for _, p := range v.places {
		if !slices.Contains(kept, p) && p.origin != nil {
			p.origin.Close()
		}
	}
	v.places = kept
	return nil
}

// contains reports whether the path of o is below the path of p.
func (p *place) contains(o *place) bool {
	_, below := strings.CutPrefix(o.path, strings.TrimSuffix(p.path, "/")+"/")
	return below && o.path != p.path
}

// prepare makes the mounts of all places, without attaching them.
func (v *view) prepare() (err error) {
	for i, p := range v.places {
		rest := v.places[i+1:]
		switch p.Kind {
		case ReadOnly, ReadWrite:
			if p.origin == nil || p.path == "/" {
				continue
			}
			p.tree, err = cloneTree(p.origin, true)
			if err == nil && p.Kind == ReadOnly {
				err = setAttributes(p.tree, unix.MOUNT_ATTR_RDONLY, true)
			}
		case Bind, BindReadOnly:
			err = p.open(v.trees)
		case Temporary, Devices:
			p.tree, p.sealed, err = temporary(cmp.Or(p.Data, "mode=0755"))
		case Inaccessible:
			if p.parent = slices.ContainsFunc(rest, func(o *place) bool { return p.contains(o) && !p.has(o.Kind) }); p.parent {
				p.sealed = true
				p.tree, _, err = temporary("mode=0711")
			} else if p.origin != nil {
				p.tree, err = v.masks.of(p.origin)
			}
		}
		if err != nil && (!p.Optional || !errors.Is(err, os.ErrNotExist)) {
			return p.error(err)
		}
	}
	return nil
}

// open takes the mount of a bind, or opens its source as one.
func (p *place) open(trees []int) error {
	if p.Tree == 0 {
		return p.bind()
	}
	if p.Tree < 0 || p.Tree > len(trees) {
		return errors.New("the emperor has not opened it")
	}
	p.tree = os.NewFile(uintptr(trees[p.Tree-1]), p.Source)
	return nil
}

// bind opens the source of a bind as a mount.
func (p *place) bind() error {
	source, err := followTarget(filepath.Clean(p.Source))
	if err != nil {
		return err
	}
	defer source.Close()
	if p.tree, err = cloneTree(source, p.Recursive); errors.Is(err, unix.EINVAL) && !p.Recursive {
		return fmt.Errorf("%w (mounts below it belong to the host: rbind takes them over)", err)
	} else if err != nil {
		return err
	}
	attributes := uint64(unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV)
	if p.Kind == BindReadOnly {
		attributes |= unix.MOUNT_ATTR_RDONLY
	}
	return setAttributes(p.tree, attributes, p.Recursive)
}

// seal makes mounts read-only that needed to be written to.
func (v *view) seal() error {
	for _, p := range v.places {
		if p.sealed && p.tree != nil {
			if err := setAttributes(p.tree, unix.MOUNT_ATTR_RDONLY, p.Recursive); err != nil {
				return p.error(err)
			}
		}
	}
	return nil
}

// verify looks all paths up as programs will, and compares the mounts.
func (v *view) verify() error {
	for _, p := range v.places {
		var err error
		switch {
		case p.tree != nil:
			err = p.verify(v.ground, p.tree)
		case p.path == "/" && p.Kind == ReadOnly:
			err = p.verify(v.ground, p.origin)
		}
		if err != nil {
			return p.error(err)
		}
	}
	return nil
}

// verify compares the file that the path leads to with the mount, and reads its flag back.
func (p *place) verify(g rootDir, mount *os.File) error {
	now, err := g.open(p.path)
	if err != nil {
		return err
	}
	defer now.Close()
	want, err := mountID(mount)
	if err != nil {
		return err
	}
	is, err := mountID(now)
	if err != nil {
		return err
	}
	if is != want {
		return errors.New("another file is there meanwhile")
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(now.Fd()), &fs); err != nil {
		return err
	}
	reads := p.Kind == ReadOnly || p.Kind == BindReadOnly || p.sealed || p.Kind == Inaccessible
	if reads && fs.Flags&unix.ST_RDONLY == 0 {
		return errors.New("it is not read-only afterwards")
	}
	return nil
}
