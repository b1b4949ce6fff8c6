package outset

import (
	"errors"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Threads starts threads of the Go runtime until it has at least n, beside the caller's
// where that is locked to its goroutine, and returns then. The runtime keeps them for
// goroutines in long system calls. When the runtime needs another thread and the kernel
// refuses (pids.max of cgroups(7), RLIMIT_NPROC), the process dies: n must cover all system
// calls that the process ever runs at the same time.
func Threads(n int) {
	done := make(chan struct{})
	go hold(n, done)
	<-done
}

// hold keeps one thread while n-1 others are held. Each goroutine starts the next, so that
// no further thread is needed to start them. The last one holds its thread by running.
func hold(n int, done chan<- struct{}) {
	defer close(done)
	if n <= 1 {
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	next := make(chan struct{})
	go hold(n-1, next)
	<-next
}

// Grow is Threads for a program that goes on with fewer when the kernel refuses more. It starts
// one thread after the other, each after a test, and reports whether there are n.
func Grow(n int) bool {
	for i := range n {
		if !taskLeft() {
			return false
		}
		Threads(i + 1)
	}
	return true
}

// taskLeft reports whether the kernel permits one more task: it starts a process that can
// execute nothing.
func taskLeft() bool {
	_, err := syscall.ForkExec("/", nil, nil)
	return !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.ENOMEM)
}

// own is the number of threads that run no goroutine but main and the signals: the first
// thread, which is locked to main, and threads of the runtime for its monitor, for the start of
// threads, and for signals.
const own = 4

// Reserve is Threads for a program that locks main to its thread and receives signals. It
// counts the thread in which the runtime waits for events, if there is one, as one of the n.
func Reserve(n int) {
	Threads(n - 1)
	var tasks unix.Stat_t // with one link for each thread, and two more (fs/proc/base.c)
	if unix.Stat("/proc/self/task", &tasks) != nil || int(tasks.Nlink)-2 < own+n {
		Threads(n)
	}
}
