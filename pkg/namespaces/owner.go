package namespaces

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// root returns the id that root of the user namespace is outside. ok is false when there is none.
func (ids *IDs) root() (uid int, ok bool) {
	i := slices.IndexFunc(ids.UIDs, func(m syscall.SysProcIDMap) bool { return m.ContainerID == 0 && m.Size > 0 })
	if i < 0 {
		return 0, false
	}
	return ids.UIDs[i].HostID, true
}

// owning makes fork create user namespaces that belong to root of the namespace, and not to root of the host.
// The kernel counts inotify instances and watches, queued signals, locked memory, mounts of namespaces and the
// like of all processes in a user namespace for its owner, too, within the owner's limits (user.max_* of
// namespaces(7)). A vassal would use up the limits of root. It must be called on a thread that runs nothing
// else.
func (ids *IDs) owning(fork func() error) func() error {
	uid, ok := ids.root()
	if !ok || os.Geteuid() != 0 {
		return fork
	}
	return func() error {
		sets, err := ownSets()
		if err != nil {
			return err
		}
		if err = actAs(uid, sets); err == nil {
			err = fork()
		}
		return errors.Join(err, actAs(0, sets))
	}
}

// actAs gives this thread an effective user, with capabilities that its real user permits.
func actAs(uid int, sets [2]unix.CapUserData) error {
	const same = ^uintptr(0)
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, same, uintptr(uid), same); errno != 0 { // of package syscall: of all threads
		return fmt.Errorf("cannot act as uid %d: %w", uid, os.NewSyscallError("setresuid", errno))
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	return os.NewSyscallError("capset", unix.Capset(&header, &sets[0]))
}
