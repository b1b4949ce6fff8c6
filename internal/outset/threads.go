package outset

import "runtime"

// Threads starts threads of the Go runtime until it has at least n, and returns then. The
// runtime keeps them for goroutines in long system calls. When the runtime needs another
// thread and the kernel refuses (pids.max of cgroups(7), RLIMIT_NPROC), the process dies: n
// must cover all system calls that the process ever runs at the same time.
func Threads(n int) {
	ready, release, done := make(chan bool), make(chan bool), make(chan bool)
	for range n {
		go func() {
			runtime.LockOSThread() // one thread for each goroutine, until all exist
			ready <- true
			<-release
			runtime.UnlockOSThread()
			done <- true
		}()
	}
	for range n {
		<-ready
	}
	close(release)
	for range n {
		<-done
	}
}
