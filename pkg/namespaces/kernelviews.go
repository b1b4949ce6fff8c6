package namespaces

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// The files of a procfs that show or change the host instead of the namespaces of a process: hidden ones, and ones that
// are read-only. The lists come from OCI runtimes (config-linux.md of the runtime specification).
var (
	hiddenOfProc   = []string{"acpi", "asound", "kcore", "keys", "latency_stats", "timer_list", "timer_stats", "sched_debug", "scsi"}
	readOnlyOfProc = []string{"bus", "fs", "irq", "sys", "sysrq-trigger"}
)

// sysctlsOfNetwork are in a network namespace of their own.
const sysctlsOfNetwork = "net"

// ProcView are the options of an own /proc (proc(5)).
type ProcView struct {
	// Hide is the value of hidepid, such as invisible. Empty: processes of other users are visible.
	Hide string `json:",omitempty"`
	// PIDs: only processes are visible.
	PIDs bool `json:",omitempty"`
	// Tunables: /proc/sys stays writable, as far as the kernel permits.
	Tunables bool `json:",omitempty"`
}

// mount mounts a procfs of the caller's pid namespace on /proc of a root directory, without the files that show the host.
// network: the process has its own network namespace.
func (o ProcView) mount(g rootDir, network bool, m *masks) error {
	var options []string
	if o.Hide != "" {
		options = append(options, "hidepid="+o.Hide)
	}
	if o.PIDs {
		options = append(options, "subset=pid")
	}
	tree, err := newMount("proc", strings.Join(options, ","), unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return err
	}
	defer tree.Close()
	if err := g.attach(tree, "/proc"); err != nil {
		return fmt.Errorf("cannot mount /proc: %w", err)
	}
	if g.dir == nil {
		if err := checkProc(); err != nil {
			return err
		}
	}
	if err := m.hide(tree, hiddenOfProc...); err != nil {
		return fmt.Errorf("cannot hide a file of /proc: %w", err)
	}
	for _, name := range readOnlyOfProc {
		writable := ""
		switch {
		case name == "sys" && o.Tunables:
			continue
		case name == "sys" && network:
			writable = sysctlsOfNetwork
		}
		if err := restrict(tree, name, writable); err != nil {
			return fmt.Errorf("cannot make /proc/%s read-only: %w", name, err)
		}
	}
	return nil
}

// attachAt attaches a mount to a path of root's.
func attachAt(tree *os.File, path string) error { return rootDir{}.attach(tree, path) }

// attach attaches a mount to a path.
func (g rootDir) attach(tree *os.File, path string) error {
	target, err := g.follow(path)
	if err != nil {
		return fmt.Errorf("cannot open %q: %w", path, err)
	}
	defer target.Close()
	return moveTree(tree, target)
}

// below opens a file of a mount. Its error is ENOENT when there is none.
func below(dir *os.File, name string) (*os.File, error) {
	fd, err := openat2(int(dir.Fd()), name, 0, unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_BENEATH)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// hide hides files of a mount. Missing ones are left out.
func (m *masks) hide(mount *os.File, names ...string) error {
	for _, name := range names {
		file, err := below(mount, name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = m.cover(file)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// cover hides a file, which it closes or keeps.
func (m *masks) cover(file *os.File) error {
	if m.tree == nil && isDirectory(file) {
		m.hidden = file
		return m.make()
	}
	defer file.Close()
	mask, err := m.of(file)
	if err != nil {
		return err
	}
	defer mask.Close()
	return moveTree(mask, file)
}

func isDirectory(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.IsDir()
}

// restrict makes a file of a new mount read-only, with everything below it but the directory writable. A missing one, as with subset=pid, is
// left out. No link can be in the way: the kernel has made all files of the mount.
func restrict(mount *os.File, name, writable string) error {
	if writable != "" {
		if err := again(mount, name+"/"+writable, 0); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := again(mount, name, unix.MOUNT_ATTR_RDONLY); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// again mounts a file of a mount on itself, with all mounts below it, and with more attributes.
func again(mount *os.File, name string, attributes uint64) error {
	dir := int(mount.Fd())
	tree, err := unix.OpenTree(dir, name, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE|unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return os.NewSyscallError("open_tree", err)
	}
	defer unix.Close(tree)
	if attributes != 0 {
		if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: attributes}); err != nil {
			return os.NewSyscallError("mount_setattr", err)
		}
	}
	return os.NewSyscallError("move_mount", unix.MoveMount(tree, "", dir, name, unix.MOVE_MOUNT_F_EMPTY_PATH))
}

// mountSys mounts a read-only sysfs that shows the network namespace of the caller on /sys of a root directory, with the cgroups
// as they were, or the cgroups of the own namespace. A process in the network of another user namespace keeps the old one, read-only.
func mountSys(g rootDir, cgroups bool, m *masks) error {
	old, err := openTarget("/sys")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer old.Close()
	at := old
	if g.dir != nil {
		if at, err = g.follow("/sys"); errors.Is(err, os.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		defer at.Close()
	}
	const flags = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC | unix.MOUNT_ATTR_RDONLY
	tree, err := newMount("sysfs", "", flags)
	if errors.Is(err, unix.EPERM) {
		if tree, err = cloneTree(old, true); err == nil {
			err = setAttributes(tree, unix.MOUNT_ATTR_RDONLY, true)
		}
	}
	if err != nil {
		return fmt.Errorf("cannot make a /sys of the own network: %w", err)
	}
	defer tree.Close()
	groups := groupsOf(old, cgroups, at != old)
	if groups != nil {
		defer groups.Close()
	}
	if err := moveTree(tree, at); err != nil {
		return fmt.Errorf("cannot mount /sys: %w", err)
	}
	if at, err := below(tree, "fs/cgroup"); err == nil && groups != nil {
		defer at.Close()
		if err := transfer(groups, at, unix.MOUNT_ATTR_RDONLY); err != nil {
			return fmt.Errorf("cannot mount the cgroups: %w", err)
		}
	}
	return m.hide(tree, "firmware")
}

// groupsOf returns the cgroups: a mount of the own namespace, or the ones of the old /sys; kept: which they do not leave. Nil: there are none.
func groupsOf(old *os.File, own, kept bool) *os.File {
	if own {
		const flags = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
		if tree, err := newMount("cgroup2", "", flags); err == nil {
			return tree
		}
	}
	dir, err := below(old, "fs/cgroup")
	if err != nil || !kept {
		return dir
	}
	defer dir.Close()
	tree, _ := cloneTree(dir, true)
	return tree
}

// transfer moves a mount to an open file, with all mounts below it and with attributes for all. A directory that is no mount is mounted
// there as well, and so is a mount that belongs to another user namespace.
func transfer(from, to *os.File, attributes uint64) error {
	err := moveTree(from, to)
	if errors.Is(err, unix.EINVAL) {
		if from, err = cloneTree(from, true); err != nil {
			return err
		}
		defer from.Close()
		err = moveTree(from, to)
	}
	if err != nil {
		return err
	}
	return setAttributes(from, attributes, true)
}
