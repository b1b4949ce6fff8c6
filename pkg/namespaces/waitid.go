package namespaces

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// siginfo is the part of siginfo_t that waitid(2) fills in for a child, on 64-bit systems.
type siginfo struct {
	signo, errno, code int32
	_                  int32
	pid                int32
	uid                uint32
	status             int32
	_                  [100]byte
}

// cldExited is CLD_EXITED: the status is an exit code and not a signal.
const cldExited = 1

// waitid waits for the process of a pidfd only.
func waitid(pidfd uintptr, info *siginfo, options int) error {
	return waitidOf(unix.P_PIDFD, pidfd, info, options)
}

// NextDead returns the pid of a dead, unreaped child of the calling thread, and leaves it
// unreaped. It returns zero when there is none, and ECHILD when there is no child. It is for
// the main thread of a process that reaps all orphans: these become children of that thread.
// Children of other threads are reaped there (wait(2), __WNOTHREAD).
func NextDead() (pid int, err error) {
	var info siginfo
	err = waitidOf(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT|unix.WNOTHREAD)
	return int(info.pid), err
}

// AnyDead reports whether a child of this process, of any thread, is dead and unreaped. It leaves it
// unreaped.
func AnyDead() bool {
	var info siginfo
	err := waitidOf(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT)
	return err == nil && info.pid != 0
}

func waitidOf(kind int, id uintptr, info *siginfo, options int) error {
	for {
		_, _, errno := unix.Syscall6(unix.SYS_WAITID, uintptr(kind), id, uintptr(unsafe.Pointer(info)), uintptr(options), 0, 0)
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}
