package namespaces

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Keyrings reports whether processes can get session keyrings of their own. It returns nil, or
// the error of the kernel or of a system call filter. It tries on a thread that then ends.
func Keyrings() error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its goroutine
		done <- joinKeyring()
	}()
	return <-done
}

// joinKeyring gives the calling thread, and the processes that it starts later, an empty
// session keyring. The keyring has no name, so that no other process can join it, and ends
// with its last process (session-keyring(7)).
func joinKeyring() error {
	if _, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot make a session keyring: %w", os.NewSyscallError("keyctl", err))
	}
	return nil
}

// leaveKeyring calls joinKeyring where a failure is acceptable: on a kernel without keyrings
// there is no key to find.
func leaveKeyring() error {
	err := joinKeyring()
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		return nil
	}
	return err
}
