package outset

import "runtime"

// Threads makes the Go runtime have at least n threads, and returns when it has. It
// keeps them for goroutines whose system calls take long. When it needs one more and
// the kernel has none to give (pids.max of cgroups(7), RLIMIT_NPROC), it ends the
// process, whatever that does: n is for all that a process ever does at a time.
func Threads(n int) {
	ready, release, done := make(chan bool), make(chan bool), make(chan bool)
	for range n {
		go func() {
			runtime.LockOSThread() // one each, until all are there
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
