package namespaces

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// devices are the character devices without contents, with their numbers (Documentation/admin-guide/devices.txt of
// Linux).
var devices = []struct {
	name         string
	major, minor uint32
}{{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}}

// deviceLinks are the symbolic links of a /dev.
var deviceLinks = [][2]string{
	{"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"}, {"/proc/self/fd/2", "stderr"}, {"pts/ptmx", "ptmx"},
}

// devices fills the mount of a new /dev and attaches it. The devices come from the old one, or from the old root directory: a
// user namespace cannot make any.
func (v *view) devices(p *place, target *os.File) error {
	if v.ground.dir == nil {
		return p.devices(target, target)
	}
	old, err := openTarget("/dev")
	if err != nil {
		return err
	}
	defer old.Close()
	return p.devices(target, old)
}

func (p *place) devices(target, old *os.File) error {
	if err := moveTree(p.tree, target); err != nil {
		return err
	}
	root := int(p.tree.Fd())
	for _, d := range devices {
		if err := p.device(old, d.name, unix.Mkdev(d.major, d.minor)); err != nil {
			return fmt.Errorf("cannot take over %s: %w", d.name, err)
		}
	}
	for _, l := range deviceLinks {
		if err := unix.Symlinkat(l[0], root, l[1]); err != nil {
			return err
		}
	}
	if log, err := readlinkat(int(old.Fd()), "log"); err == nil { // the socket of syslog(3), where a link leads to it
		if err := unix.Symlinkat(log, root, "log"); err != nil {
			return err
		}
	}
	terminals, err := newMount("devpts", "mode=0620,ptmxmode=0666,gid=5", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		terminals, err = newMount("devpts", "mode=0620,ptmxmode=0666", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC)
	}
	if err != nil {
		return err
	}
	defer terminals.Close()
	if err := p.mountBelow(terminals, "pts"); err != nil {
		return err
	}
	p.sealed = true
	return unix.Mkdirat(root, "shm", 0o755)
}

// mountBelow attaches a mount to a new directory of a place.
func (p *place) mountBelow(tree *os.File, name string) error {
	root := int(p.tree.Fd())
	if err := unix.Mkdirat(root, name, 0o755); err != nil {
		return err
	}
	fd, err := openat2(root, name, unix.O_NOFOLLOW, unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_BENEATH)
	if err != nil {
		return err
	}
	target := os.NewFile(uintptr(fd), name)
	defer target.Close()
	return moveTree(tree, target)
}

// device makes one device of the old /dev available in the new one.
func (p *place) device(old *os.File, name string, number uint64) error {
	fd, err := openat2(int(old.Fd()), name, unix.O_NOFOLLOW, unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_BENEATH)
	if err != nil {
		return err
	}
	node := os.NewFile(uintptr(fd), name)
	defer node.Close()
	var is unix.Stat_t
	if err := unix.Fstat(fd, &is); err != nil {
		return err
	}
	if is.Mode&unix.S_IFMT != unix.S_IFCHR || is.Rdev != number {
		return fmt.Errorf("it is not the device %d:%d", unix.Major(number), unix.Minor(number))
	}
	tree, err := cloneTree(node, false)
	if err != nil {
		return err
	}
	defer tree.Close()
	root := int(p.tree.Fd())
	if err := makeFile(root, name, 0o666); err != nil {
		return err
	}
	if fd, err = openat2(root, name, unix.O_NOFOLLOW, unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_BENEATH); err != nil {
		return err
	}
	target := os.NewFile(uintptr(fd), name)
	defer target.Close()
	return moveTree(tree, target)
}

// readlinkat returns the target of a symbolic link.
func readlinkat(dir int, name string) (string, error) {
	buffer := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dir, name, buffer)
	if err != nil {
		return "", err
	}
	return string(buffer[:n]), nil
}
