package namespaces

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// cloneTree returns a mount of an open file that is attached nowhere (open_tree(2)). Recursive: with the mounts below it.
func cloneTree(of *os.File, recursive bool) (*os.File, error) {
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC | unix.AT_EMPTY_PATH)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	fd, err := unix.OpenTree(int(of.Fd()), "", flags)
	if err != nil {
		return nil, os.NewSyscallError("open_tree", err)
	}
	return os.NewFile(uintptr(fd), of.Name()), nil
}

// setAttributes sets attributes of a mount (mount_setattr(2)), and with recursive also of all mounts below it: of all or of
// none.
func setAttributes(tree *os.File, attributes uint64, recursive bool) error {
	flags := uint(unix.AT_EMPTY_PATH)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	return os.NewSyscallError("mount_setattr", unix.MountSetattr(int(tree.Fd()), "", flags, &unix.MountAttr{Attr_set: attributes}))
}

// moveTree attaches a mount to an open file. Afterwards the descriptor leads to the attached mount.
func moveTree(tree, target *os.File) error {
	return os.NewSyscallError("move_mount", unix.MoveMount(int(tree.Fd()), "", int(target.Fd()), "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH))
}

// newMount makes a file system that is attached nowhere. Options are separated by commas, as for mount(8).
func newMount(kind, options string, attributes int) (*os.File, error) {
	fs, err := unix.Fsopen(kind, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot make a %s: %w", kind, err)
	}
	defer unix.Close(fs)
	for option := range strings.SplitSeq(options, ",") {
		key, value, valued := strings.Cut(option, "=")
		switch {
		case option == "":
		case valued:
			err = unix.FsconfigSetString(fs, key, value)
		default:
			err = unix.FsconfigSetFlag(fs, key)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot make a %s with %s: %w", kind, option, err)
		}
	}
	if err = unix.FsconfigCreate(fs); err != nil {
		return nil, fmt.Errorf("cannot make a %s: %w", kind, err)
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, attributes)
	if err != nil {
		return nil, fmt.Errorf("cannot mount a %s: %w", kind, err)
	}
	return os.NewFile(uintptr(fd), kind), nil
}

// temporary makes a tmpfs. readOnly: the options ask for that, once it has its content.
func temporary(options string) (tree *os.File, readOnly bool, err error) {
	attributes := unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
	var rest []string
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "ro":
			readOnly = true
		case "noexec":
			attributes |= unix.MOUNT_ATTR_NOEXEC
		case "rw", "nosuid", "nodev":
		default:
			rest = append(rest, option)
		}
	}
	tree, err = newMount("tmpfs", strings.Join(rest, ","), attributes)
	return tree, readOnly, err
}

// masks are an empty file and an empty directory, without any permission, in a file system that we have made: no other
// process has them open, or can change them. The zero value makes them at first use.
type masks struct {
	tree, file, dir *os.File
	// hidden is a directory to which the file system is attached until the end, under the mask of that directory. Nil: it is
	// detached at the end, which is expensive: the kernel waits for all processors.
	hidden *os.File
}

// withMasks calls a function with masks, and ends their use.
func withMasks(use func(m *masks) error) (err error) {
	var m masks
	defer func() {
		if end := m.close(); err == nil && end != nil {
			err = fmt.Errorf("cannot hide a file of the kernel: %w", end)
		}
	}()
	return use(&m)
}

// of returns a mount that hides a file.
func (m *masks) of(hidden *os.File) (*os.File, error) {
	if m.file == nil {
		if err := m.make(); err != nil {
			return nil, err
		}
	}
	var is unix.Stat_t
	if err := unix.Fstat(int(hidden.Fd()), &is); err != nil {
		return nil, err
	}
	if is.Mode&unix.S_IFMT == unix.S_IFDIR {
		return cloneTree(m.dir, false)
	}
	return cloneTree(m.file, false)
}

// make attaches the file system, to a directory that is hidden or below the root directory, where no path leads: kernels
// before 6.15 clone only mounts that are attached.
func (m *masks) make() error {
	tree, err := newMount("tmpfs", "mode=0,size=4k,nr_inodes=3", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return err
	}
	root := int(tree.Fd())
	if err = unix.Mkdirat(root, "dir", 0); err == nil {
		err = makeFile(root, "file", 0)
	}
	if err == nil {
		err = setAttributes(tree, unix.MOUNT_ATTR_RDONLY, false)
	}
	switch {
	case err != nil:
	case m.hidden != nil:
		err = moveTree(tree, m.hidden)
	default:
		err = attachAt(tree, "/")
	}
	if err != nil {
		tree.Close()
		return fmt.Errorf("cannot make an empty file: %w", err)
	}
	m.tree = tree
	if m.dir, err = below(tree, "dir"); err == nil {
		m.file, err = below(tree, "file")
	}
	return err
}

// close ends the use of the masks. After an error a directory may show the empty file.
func (m *masks) close() (err error) {
	if m.tree != nil {
		if m.hidden == nil {
			err = unix.Unmount(byDescriptor(m.tree), unix.MNT_DETACH)
		} else {
			err = m.empty()
		}
	}
	for _, f := range []*os.File{m.file, m.dir, m.tree, m.hidden} {
		if f != nil {
			f.Close()
		}
	}
	return err
}

// empty attaches the empty directory to the root of the file system.
func (m *masks) empty() error {
	mask, err := cloneTree(m.dir, false)
	if err != nil {
		return err
	}
	defer mask.Close()
	return moveTree(mask, m.tree)
}
