package outset

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// inherited are the signals that stay ignored when a Go program starts with them ignored. For
// all other signals the runtime installs a handler, which no program inherits
// (runtime/signal_unix.go, initsig, and the tables in sigtab_linux_generic.go).
var inherited = [...]syscall.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGCONT, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, 32, 33, 34}

// Signals resets every signal to its default, for this process and for all programs that it
// starts. Ignored and blocked signals are otherwise inherited from the process that started
// this one. It does not change a signal for which package os/signal is called later.
//
// A blocked signal makes the process execute itself once more, because the Go runtime gives
// its children the signal mask that it started with.
func Signals() {
	rename()
	for _, s := range inherited {
		if ignored(s) {
			reset(s)
		}
	}
	if !blocked() {
		return
	}
	runtime.LockOSThread() // the mask belongs to the thread
	defer runtime.UnlockOSThread()
	var none, before unix.Sigset_t
	if unix.PthreadSigmask(unix.SIG_SETMASK, &none, &before) != nil || blocked() {
		return
	}
	_ = syscall.Exec("/proc/self/exe", os.Args, os.Environ())
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil) // without /proc the mask stays as it is
}

// rename gives the process the name of its program when it was executed through a descriptor
// (/proc/self/fd/3) or through /proc/self/exe: the kernel takes the last element of that path
// for the name (execve(2), proc_pid_comm(5)). It changes the name of the calling thread, which
// is the first one at the start of main: /proc/self/comm belongs to root by now.
func rename() {
	var comm [16]byte
	if unix.Prctl(unix.PR_GET_NAME, uintptr(unsafe.Pointer(&comm)), 0, 0, 0) != nil {
		return
	}
	name := unix.ByteSliceToString(comm[:])
	if name != "exe" && strings.Trim(name, "0123456789") != "" || len(os.Args) == 0 {
		return
	}
	comm = [16]byte{}
	copy(comm[:len(comm)-1], filepath.Base(os.Args[0]))
	_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&comm)), 0, 0, 0)
}

// Mortal lets the kernel end this process at every signal whose default is to end it, instead of
// the Go runtime: for a process that soon becomes another program. The runtime raises a signal
// anew in its handler, and when another thread executes the program in between, the signal is
// lost; SIGUSR1 and SIGUSR2 it ignores. Ignored signals, and signals of faults and of the runtime
// itself, do not change.
func Mortal() {
	for _, s := range ending {
		if !ignored(s) {
			reset(s)
		}
	}
	for s := syscall.Signal(35); s <= 64; s++ { // real-time signals; the C library uses 32 to 34
		reset(s)
	}
}

// ending are the signals below the real-time ones that a program is stopped with.
var ending = [...]syscall.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGTERM}

// action is the kernel's struct sigaction. Only its first field, the handler, is used here.
type action [4]uint64

const (
	defaultHandler = 0
	ignoreHandler  = 1
	setSize        = 8 // size of a signal set, in bytes
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
