package namespaces

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Keyrings reports whether processes can be given session keyrings of their own: nil, or
// why the kernel, or a filter of system calls, has none. It tries with a thread that
// ends.
func Keyrings() error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its goroutine
		done <- joinKeyring()
	}()
	return <-done
}

// joinKeyring gives the calling thread, and what it starts from here on, a session
// keyring with nothing in it: one has no name, so that no other process can join it, and
// ends with its last process (session-keyring(7)).
func joinKeyring() error {
	if _, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot make a session keyring: %w", os.NewSyscallError("keyctl", err))
	}
	return nil
}

// leaveKeyring is joinKeyring for a thread that may do without: where there can be no
// keys there is none to be found either.
func leaveKeyring() error {
	err := joinKeyring()
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		return nil
	}
	return err
}
