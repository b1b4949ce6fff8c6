package outset

import "runtime"

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
