package responder

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// confine gives up every right of this process, on all of its threads, and checks that they are gone. The root
// directory becomes an empty one. The ids belong to no other process. No capability is left, and no program
// that it executes gets any back.
func confine(root *os.File, uid, gid int) error {
	wasRoot := os.Geteuid() == 0
	if wasRoot {
		if err := errors.Join(root.Chdir(), unix.Chroot(".")); err != nil {
			return fmt.Errorf("cannot change the root directory: %w", err)
		}
		for _, err := range []error{syscall.Setgroups(nil), syscall.Setresgid(gid, gid, gid), syscall.Setresuid(uid, uid, uid)} {
			if err != nil {
				return fmt.Errorf("cannot become user %d: %w", uid, err)
			}
		}
	}
	if err := everywhere(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return fmt.Errorf("cannot give up new privileges: %w", err)
	}
	var header unix.CapUserHeader
	header.Version = unix.LINUX_CAPABILITY_VERSION_3
	var none [2]unix.CapUserData
	if err := everywhere(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none))); err != nil {
		return fmt.Errorf("cannot give up capabilities: %w", err)
	}
	// It writes no file and makes no core dump, and needs a descriptor for each question.
	for which, limit := range map[int]uint64{unix.RLIMIT_FSIZE: 0, unix.RLIMIT_CORE: 0, unix.RLIMIT_NOFILE: maxAsked + maxStreams + 64} {
		var now unix.Rlimit
		err := unix.Getrlimit(which, &now)
		if err == nil {
			limit = min(limit, now.Max)
			err = unix.Setrlimit(which, &unix.Rlimit{Cur: limit, Max: limit})
		}
		if err != nil {
			return fmt.Errorf("cannot limit resources: %w", err)
		}
	}
	return confined(wasRoot)
}

// everywhere makes a system call on every thread.
func everywhere(call, a, b uintptr) error {
	_, _, errno := syscall.AllThreadsSyscall(call, a, b, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// confined checks the rights that are left.
func confined(wasRoot bool) error {
	var header unix.CapUserHeader
	header.Version = unix.LINUX_CAPABILITY_VERSION_3
	var have [2]unix.CapUserData
	if err := unix.Capget(&header, &have[0]); err != nil {
		return fmt.Errorf("cannot read capabilities: %w", err)
	}
	privs, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	switch {
	case err != nil:
		return fmt.Errorf("cannot read the state of new privileges: %w", err)
	case privs != 1:
		return errors.New("cannot give up new privileges: nothing has changed")
	case have[0].Effective|have[0].Permitted|have[0].Inheritable|have[1].Effective|have[1].Permitted|have[1].Inheritable != 0:
		return errors.New("cannot give up capabilities: some are left")
	case wasRoot && (os.Getuid() == 0 || os.Geteuid() == 0 || os.Getegid() == 0):
		return errors.New("cannot answer vassals: this process is still root")
	}
	return nil
}
