package namespaces

import (
	"fmt"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// A network namespace is a netns.NsHandle wherever one is opened, entered or passed. The handle is a
// descriptor number, and a copy of it is the same descriptor: exactly one owner closes it. A function
// that returns a handle gives it to its caller. A function or a struct that gets one borrows it for the
// call; to keep it longer, it makes its own with DuplicateNetwork. The owner does not close a handle
// that another goroutine may use: its number may name another file by then. netns.None() is no
// namespace, and every use of it fails.

// CurrentNetwork returns a handle of the calling thread's network namespace. The caller closes it.
func CurrentNetwork() (netns.NsHandle, error) {
	ns, err := netns.GetFromPath("/proc/thread-self/ns/net") // right also where /proc is of another pid namespace
	if err != nil {
		return netns.None(), fmt.Errorf("cannot open the network namespace: %w", err)
	}
	return ns, nil
}

// DuplicateNetwork returns another handle of the same network namespace. The caller closes it.
func DuplicateNetwork(ns netns.NsHandle) (netns.NsHandle, error) {
	fd, err := unix.FcntlInt(uintptr(ns), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return netns.None(), fmt.Errorf("cannot duplicate a handle of a network namespace: %w", err)
	}
	return netns.NsHandle(fd), nil
}

// CheckNetwork returns an error when a descriptor is no network namespace (ioctl_nsfs(2)).
func CheckNetwork(ns netns.NsHandle) error {
	kind, err := unix.IoctlRetInt(int(ns), unix.NS_GET_NSTYPE)
	if err == nil && kind != unix.CLONE_NEWNET {
		err = fmt.Errorf("its kind is %#x", kind)
	}
	if err != nil {
		return fmt.Errorf("not a network namespace: %w", err)
	}
	return nil
}
