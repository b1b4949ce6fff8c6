package namespaces

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// NoNewPrivileges makes sure that no program which any thread of this process executes has more
// rights than the thread: set-user-id bits and capabilities of files have no effect
// (PR_SET_NO_NEW_PRIVS). It cannot be undone. After an error the process must not continue.
func NoNewPrivileges() error {
	err := inThreads(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1)
	if errors.Is(err, unix.ENOTSUP) {
		err = carryNoNewPrivileges()
	}
	if err != nil {
		return fmt.Errorf("cannot give up new privileges: %w", os.NewSyscallError("prctl", err))
	}
	if err := eachThread(func(status fields) error { return status.want("NoNewPrivs", "1") }, "NoNewPrivs"); err != nil {
		return fmt.Errorf("cannot verify that there are no new privileges: %w", err)
	}
	return nil
}

// inThreads makes a system call with up to three arguments in every thread of this process.
// ENOTSUP: this is a program with C functions, whose threads the Go runtime does not control.
//
//go:uintptrescapes
func inThreads(call uintptr, arguments ...uintptr) error {
	var a [3]uintptr
	copy(a[:], arguments)
	if _, _, errno := syscall.AllThreadsSyscall6(call, a[0], a[1], a[2], 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// carryNoNewPrivileges is for programs with C functions: the kernel copies the attribute from a
// thread to all others when that thread installs a filter of system calls for all
// (SECCOMP_FILTER_FLAG_TSYNC of seccomp(2)). The filter permits every call.
func carryNoNewPrivileges() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	permit := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}
	program := unix.SockFprog{Len: 1, Filter: &permit}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	switch {
	case errno != 0:
		return errno
	case thread != 0:
		return fmt.Errorf("thread %d has a filter of its own", thread)
	}
	return nil
}
