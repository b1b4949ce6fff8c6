package outset

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// inherited are the signals that stay ignored in a Go program which began so: for all
// others the runtime has a handler, which no program inherits (runtime/signal_unix.go,
// initsig, and the tables in sigtab_linux_generic.go).
var inherited = [...]syscall.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGCONT, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, 32, 33, 34}

// Signals makes every signal what it is by default, for this process and for all
// programs that it starts, which inherit the ignored and the blocked ones of the process
// that started this one. A signal that package os/signal is asked for later is not
// concerned.
//
// A blocked signal makes the process execute itself once more, because the Go runtime
// gives its children the mask that it began with.
func Signals() {
	for _, s := range inherited {
		if ignored(s) {
			reset(s)
		}
	}
	if !blocked() {
		return
	}
	runtime.LockOSThread() // the mask is the thread's
	defer runtime.UnlockOSThread()
	var none, before unix.Sigset_t
	if unix.PthreadSigmask(unix.SIG_SETMASK, &none, &before) != nil || blocked() {
		return
	}
	_ = syscall.Exec("/proc/self/exe", os.Args, os.Environ())
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil) // there is no /proc: it stays as it is
}

// action is struct sigaction of the kernel, of whose fields only the first counts for
// both of these: the handler.
type action [4]uint64

const (
	defaultHandler = 0
	ignoreHandler  = 1
	setSize        = 8 // of a set of signals, in bytes
)

func ignored(s syscall.Signal) bool {
	var a action
	_, _, err := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), 0, uintptr(unsafe.Pointer(&a)), setSize, 0, 0)
	return err == 0 && *(*uintptr)(unsafe.Pointer(&a)) == ignoreHandler
}

func reset(s syscall.Signal) {
	var a action
	*(*uintptr)(unsafe.Pointer(&a)) = defaultHandler
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&a)), 0, setSize, 0, 0)
}

// blocked reports whether the thread blocks a signal.
func blocked() bool {
	var none, now unix.Sigset_t
	return unix.PthreadSigmask(unix.SIG_BLOCK, &none, &now) == nil && now != none
}
